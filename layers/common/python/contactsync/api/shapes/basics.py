"""What all answers are made of."""

from __future__ import annotations

from typing import Annotated, Any, NewType

from pydantic import BaseModel, ConfigDict
from pydantic import Field as About

Csv = NewType("Csv", str)
"""`text/csv`, with a header line."""


Page = NewType("Page", str)
"""`text/html`."""


Document = NewType("Document", dict[str, Any])
"""The OpenAPI document itself."""


Id = Annotated[str, About(min_length=1, max_length=100)]


Time = Annotated[
    str,
    About(pattern="Z$", json_schema_extra={"format": "date-time"}, description="RFC 3339, UTC, ending in Z."),
]


Version = Annotated[int, About(ge=1, description="One more with every change; If-Match takes it.")]


Next = Annotated[
    str | None,
    About(description="Send it as `next`, with the same query, to go on; null at the end. Good for a day."),
]


Actor = Annotated[str, About(description="`run:<id>` or `member:<id>`.")]


class Shape(BaseModel):
    """An answer, or a part of one. Nothing is in it that is not named."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ProblemPlace(Shape):
    """One thing to mend."""

    pointer: str = About(description="JSON pointer (RFC 6901) into the request; of a parameter, its name.")
    message: str


class Problem(Shape):
    """What went wrong and whose move it is (RFC 9457): all problems of a request at once."""

    type: str = About(description="`/problems/<code>`; the codes are stable.")
    title: str = About(description="What happened.")
    detail: str = About(description="What to do.")
    status: int = About(description="The status of the answer.")
    errors: tuple[ProblemPlace, ...] = About(
        description="Every place of the request to correct; of more than a thousand, the first."
    )
