"""Contacts' pictures: what may be one, whether two show the same, and the mark of those that a hub has put somewhere.

A picture is kept as it came, byte for byte, and is called by a hash of its bytes (RFC 6920), which is what a contact's
`photo` then holds. Pillow is imported when a picture is looked at and not before: most runs see none.
"""

from __future__ import annotations

import io
import struct
import warnings
from base64 import urlsafe_b64encode
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL.Image import Image

BYTES_MAX = 4_000_000
"""Microsoft takes less than 4 MB, and no book shows more."""
PIXELS_MAX = 40_000_000
"""More is no portrait: some kilobytes can unpack to gigabytes."""
MARKED_EDGE = 720
"""Pixels of the longer edge of a marked picture; Google shows 720 at most."""
NAME = "ni:///sha-256;"
TAG = b"contact-sync:marked"
"""A comment in the files that we mark: whoever keeps their bytes shows by it whose they are."""
_TAG_WITHIN = 1_000
_LIKE = 5.0
"""Up to so much, of 255, two pictures of one motif differ on average once they are encoded anew; two motifs by more."""
_THUMB = (16, 16)
_ORIENTATION = 0x0112
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
"""What turns a picture upright, by its orientation in EXIF."""
_SIGNATURES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


class Size(NamedTuple):
    """Pixels."""

    width: int
    height: int

    @property
    def area(self) -> int:
        """How many."""
        return self.width * self.height


def name_of(picture: bytes) -> str:
    """What a picture is called, as the value of `photo`."""
    return NAME + urlsafe_b64encode(sha256(picture).digest()).decode().rstrip("=")


def is_name(value: object) -> bool:
    """Whether a contact's `photo` is a picture that we keep, and no web address."""
    return isinstance(value, str) and value.startswith(NAME)


def digest_of(picture: bytes) -> str:
    """By which the same bytes are known again."""
    return sha256(picture).hexdigest()


def kind_of(picture: bytes) -> str:
    """The media type, by the first bytes; "" for what is neither JPEG nor PNG."""
    return next((kind for start, kind in _SIGNATURES.items() if picture.startswith(start)), "")


def size_of(picture: bytes) -> Size | None:
    """How large a JPEG or PNG is; None for anything else, for what does not open, and for what is too large."""
    if len(picture) > BYTES_MAX or not kind_of(picture):
        return None
    try:
        with _opened(picture) as image:
            size = Size(*image.size)
            if size.area > PIXELS_MAX:
                return None
            image.load()
            return size
    except (OSError, ValueError, SyntaxError):
        return None


def is_copy(one: bytes, other: bytes) -> bool:
    """Whether two pictures show the same, encoded or scaled in two ways; both have a size."""
    first, second = (_thumb(picture) for picture in (one, other))
    return sum(abs(a - b) for a, b in zip(first, second, strict=True)) / len(first) <= _LIKE


def is_marked(picture: bytes) -> bool:
    """Whether these bytes are a file that we have marked."""
    return TAG in picture[:_TAG_WITHIN]


def marked(picture: bytes | None) -> bytes:
    """The picture with the mark of the shared hub, or where there is none a made-up one; the same bytes each time.

    Args:
        picture: one that has a size.
    """
    from PIL import Image, ImageDraw  # noqa: PLC0415

    if picture is None:
        base = _silhouette()
    else:
        with _opened(picture) as image:
            upright = _upright(image).convert("RGBA")
        upright.thumbnail((MARKED_EDGE, MARKED_EDGE))
        base = Image.new("RGB", upright.size, "white")
        base.paste(upright, mask=upright.getchannel("A"))
    # A quarter of the shorter edge, but visible on the smallest picture: two arrows that follow each other
    edge = max(min(base.size) // 4, min(24, *base.size))
    mark = Image.new("RGBA", (4 * edge, 4 * edge))
    draw, unit = ImageDraw.Draw(mark), 4 * edge / 24
    draw.ellipse((0, 0, 4 * edge - 1, 4 * edge - 1), fill=(21, 101, 192, 255))
    for start in (20, 200):
        draw.arc(
            (6 * unit, 6 * unit, 18 * unit, 18 * unit),
            start,
            start + 130,
            fill="white",
            width=round(2 * unit),
        )
    draw.polygon([(2.5 * unit, 12 * unit), (9.5 * unit, 12 * unit), (6 * unit, 7 * unit)], fill="white")
    draw.polygon([(14.5 * unit, 12 * unit), (21.5 * unit, 12 * unit), (18 * unit, 17 * unit)], fill="white")
    mark = mark.resize((edge, edge), Image.Resampling.LANCZOS)
    base.paste(mark, (base.width - edge, base.height - edge), mark)
    out = io.BytesIO()
    base.save(out, "JPEG", quality=90, comment=TAG)
    return out.getvalue()


def _silhouette() -> Image:
    """Head and shoulders of nobody."""
    from PIL import Image, ImageDraw  # noqa: PLC0415

    image = Image.new("RGB", (240, 240), (224, 224, 224))
    draw = ImageDraw.Draw(image)
    draw.ellipse((80, 45, 160, 125), fill=(158, 158, 158))
    draw.ellipse((40, 140, 200, 340), fill=(158, 158, 158))
    return image


def _opened(picture: bytes) -> Image:
    """The picture, of which no more than the header was read. Raises ValueError if it unpacks to far too much."""
    from PIL import Image  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return Image.open(io.BytesIO(picture), formats=("JPEG", "PNG"))
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise ValueError("a bomb") from None


def _upright(image: Image) -> Image:
    """The picture as it was taken. Pillow's own way writes all of its EXIF anew, and fails over what is odd in there."""
    from PIL import Image  # noqa: PLC0415

    turn = None
    with suppress(OSError, ValueError, SyntaxError, struct.error):  # where it is damaged
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    return image.transpose(Image.Transpose[turn]) if turn else image


def _thumb(picture: bytes) -> bytes:
    with _opened(picture) as image:
        return _upright(image).convert("RGB").resize(_THUMB).tobytes()
