"""The forms that some texts of a request must have, and how each is asked for."""

from __future__ import annotations

COUNTRY = r"^[A-Z]{2}$"
FIELD_KEY = r"^[a-z][a-z0-9_]{0,62}$"
CONTACT_ID = r"^[0-9a-f]{32}$"
LINE = r"^[^\x00-\x1f\x7f]*$"
TOKEN = r"^[\x21-\x7e]+$"  # noqa: S105 a form, no secret
HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
ROLE_ARN = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$"

ASKED_FOR = {
    COUNTRY: "Give the country's two capital letters, such as GB.",
    FIELD_KEY: "Give a lower-case letter, then up to 62 lower-case letters, digits and underscores.",
    CONTACT_ID: "Give the contact's id, 32 hexadecimal digits.",
    LINE: "Remove line breaks and other control characters.",
    TOKEN: "Give visible ASCII characters only, without spaces.",
    HEADER_NAME: "Give a header's name, such as X-Api-Key, without the colon.",
    BUCKET: "Give the bucket's name alone: 3 to 63 lower-case letters, digits, points and hyphens.",
    ROLE_ARN: "Give the role's ARN, such as arn:aws:iam::123456789012:role/contacts.",
}
