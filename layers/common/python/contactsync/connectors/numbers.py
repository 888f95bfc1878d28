"""Telephone numbers as books hold them, which is as somebody typed them ↔ ours, which know their country."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contactsync.core.fieldtypes import BadValue, converter


class Numbers:
    """Between the two, for one account: a number that does not say its country is one of `country`."""

    def __init__(self, country: str) -> None:
        self._convert = converter("phone", country=country)

    def read(self, *texts: str) -> dict[str, Any] | None:
        """The first of these texts that is a number, as an entry of a list; None if none is."""
        for text in texts:
            try:
                found = self._convert(text) if text else None
            except BadValue:
                continue
            if found:
                return dict(found)
        return None

    def written(self, entry: Mapping[str, Any]) -> str:
        """A number as the person wrote it, if that is read here as the same number; else with its country."""
        number, extension = entry["value"], entry.get("extension")
        full = f"{number} ext. {extension}" if extension else number
        for text in (entry.get("text"), full):
            found = self.read(text or "")
            if found and (found["value"], found.get("extension")) == (number, extension):
                return str(text)
        return str(number)
