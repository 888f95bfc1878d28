"""Pictures of nobody: each of another motif, in any size and encoding, the same bytes each time."""

from __future__ import annotations

import io
from random import Random
from typing import Literal

from PIL import Image


def portrait(motif: int, *, edge: int = 96, kind: Literal["PNG", "JPEG"] = "PNG") -> bytes:
    """A square of coloured fields, which no scaling makes another motif."""
    chance = Random(motif)
    fields = Image.new("RGB", (4, 4))
    fields.putdata([tuple(chance.randbytes(3)) for _ in range(16)])
    out = io.BytesIO()
    fields.resize((edge, edge), Image.Resampling.BICUBIC).save(out, kind)
    return out.getvalue()


def cropped(picture: bytes) -> bytes:
    """What a provider makes of a picture that shows a part of it only."""
    plain, out = Image.new("RGB", (60, 60)), io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        third = image.width // 3
        plain.paste(image.convert("RGB").crop((0, 0, third, third)).resize((60, 60)))
    plain.save(out, "PNG")
    return out.getvalue()


def encoded_anew(picture: bytes, *, edge: int = 80, quality: int = 70) -> bytes:
    """What a provider makes of a picture that it is given: smaller, in its own encoding, without what it did not ask for."""
    plain, out = Image.new("RGB", (edge, edge)), io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        plain.paste(image.convert("RGB").resize((edge, edge)))
    plain.save(out, "JPEG", quality=quality)
    return out.getvalue()
