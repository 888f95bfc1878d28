"""The fields of an account that has one of each type."""

from contactsync.model.field import STANDARD_FIELDS, FieldSpec

FIELDS = STANDARD_FIELDS | {
    spec.key: spec
    for spec in (
        FieldSpec(key="points", label="Points", type="integer"),
        FieldSpec(key="rate", label="Rate", type="decimal"),
        FieldSpec(key="member", label="Member", type="boolean"),
        FieldSpec(key="size", label="Size", type="choice", choices=("S", "L")),
    )
}
