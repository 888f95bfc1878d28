"""How much a text looks like words of some language: what tells apart encodings that can read the same bytes.

Read in the wrong encoding, names get capitals in their middle, symbols between letters, letters that no language
has together, or characters that few people ever write. Lists of names are short and mix languages, so each word
is judged by itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import cache

WORDS = 2_000
"""How many different words are looked at: enough to be sure, and bounded for a long sample."""
_TOGETHER = 0.15

_LETTER = r"(?:[^\W\d_]|[^\x00-\x7f\U00010000-\U0010ffff])"  # "\u0080-\uffff" takes 5 ms to compile
_WORD = re.compile(rf"{_LETTER}+(?:['’.-]?{_LETTER})*")
_PART = re.compile("[-.'’‘`ʼ\u00a0\u3000・·]+")
_AROUND = "“”‘’„‚«»‹›–—…€£°ºª©®™·•¿¡§\u00a0\u00ad\u200b\u3000、。「」（），：；！？"

_WEST = (
    "àâæçèéêëîïôœùûüÿ", "äöüßé", "áéíóúñüïº", "áâãàçéêíóôõúü", "åäöéæøü", "àèéìíîòóù", "éèëïöüáó", "áðéíóúýþæö",
    "çáéíóúàèòïü",
)  # fmt: skip
_CENTRAL = ("áčďéěíňóřšťúůýžäĺľôŕ", "ąćęłńóśźż", "áéíóöőúüű", "ăâîșțşţ", "čćđšž", "äöüßé")
_LANGUAGES = {
    "windows-1252": _WEST,
    "macintosh": _WEST,
    "ibm850": _WEST,
    "windows-1250": _CENTRAL,
    "ibm852": _CENTRAL,
    "windows-1254": ("çğıöşüâîûİi",),
    "windows-1257": ("āčēģīķļņšūž", "ąčęėįšųūž", "äöõüšž"),
    "windows-1251": ("абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя", "абвгдђѓежзѕијклљмнњопрстћќуфхцчџш"),
    "windows-1253": ("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",),
    "windows-1255": ("אבגדהוזחטיךכלםמןנסעףפץצקרשת",),
    "windows-1256": ("ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىيپچژگکی",),
    "windows-874": ("".join(map(chr, [*range(0x0E01, 0x0E3B), *range(0x0E40, 0x0E4F)])),),
}  # fmt: skip
_SAME = {"koi8-r": "windows-1251", "koi8-u": "windows-1251", "ibm866": "windows-1251"}
_CASELESS = {"windows-874"}
_FREQUENT = {
    "windows-1251": set("аеинорстлвкмдпуя"),
    "windows-1253": set("αεηιοςτνσρκλπμδυά"),
    "windows-1255": set("יהולאמרנבתש"),
    "windows-1256": set("اليمنرودبتعسحه"),
}
_EAST = {
    "shift_jis": ("shift_jis", (0x88, 0x98)),
    "euc-jp": ("euc_jp", (0xB0, 0xD0)),
    "gb18030": ("gb2312", (0xB0, 0xD8)),
    "big5": ("big5", (0xA4, 0xC7)),
    "euc-kr": ("euc_kr", (0xB0, 0xC9)),
}
"""Each East Asian encoding's base codec, and the lead bytes of the characters that people use every day."""


def likeness(text: str, encoding: str) -> float:
    """From 0 (noise) to 1 (words), for `text` as read in `encoding`. 0 where there is nothing beyond ASCII."""
    words = Counter(word for word in _WORD.findall(text) if not word.isascii())
    few = words.most_common(WORDS)
    total = sum(count for _, count in few)
    if not total:
        return 0.0
    if encoding in _EAST:
        return sum(count * _eastern(word, encoding) for word, count in few) / total
    each = sum(count * _western(word, encoding) for word, count in few) / total
    # mostly the words decide; that one language has all their letters decides between equals
    return each * (1 - _TOGETHER + _TOGETHER * _one_language("".join(word for word, _ in few), encoding))


def _one_language(text: str, encoding: str) -> float:
    """The share of the letters beyond ASCII that the language has which fits best."""
    letters = Counter(char for char in text.lower() if char > "\x7f")
    languages = _LANGUAGES[_SAME.get(encoding, encoding)]
    return max(sum(letters[char] for char in language) for language in map(set, languages)) / letters.total()


def _western(word: str, encoding: str) -> float:
    alike = _SAME.get(encoding, encoding)
    parts = [part for part in _PART.split(word.strip(_AROUND)) if part and not part.isascii()]
    return min((_part(part, alike) for part in parts), default=0.9)


def _part(part: str, encoding: str) -> float:
    """One unbroken word: are these letters, cased as words are, of one language?"""
    if not all(map(_is_letter, part)) or not _is_cased(part):
        return 0.0
    if len(part) == 1:  # every code page has some letter there
        return 0.5
    small = part.lower()
    beyond = {char for char in small if char > "\x7f"}
    one_language = any(beyond <= set(letters) for letters in _LANGUAGES[encoding])
    if encoding not in _FREQUENT and encoding not in _CASELESS:
        mostly = sum(char > "\x7f" for char in small) > max(1, len(small) // 2)
        return 0.1 if mostly else 1.0 if one_language else 0.4
    if len(beyond) < len(set(small)) or not one_language:
        return 0.2
    frequent = sum(char in _FREQUENT.get(encoding, small) for char in small) / len(small)
    return 0.5 + 0.5 * min(1.0, frequent / 0.7)


def _is_letter(char: str) -> bool:
    return unicodedata.category(char)[0] in "LM"


def _is_cased(part: str) -> bool:
    """all small, ALL CAPITALS, Capitalised, or of a script without capitals."""
    return part == part.lower() or part == part.upper() or part[1:] == part[1:].lower()


def _eastern(word: str, encoding: str) -> float:
    """The mean over the characters: everyday ones count fully, those that are hardly ever written little."""
    codec, everyday = _EAST[encoding]
    beyond = [char for char in word if char > "\x7f" and char not in _AROUND]
    return sum(_use(char, codec, everyday) for char in beyond) / len(beyond) if beyond else 0.5


@cache
def _use(char: str, codec: str, everyday: tuple[int, int]) -> float:
    """At most 0.9: a Cyrillic word in capitals reads as everyday Chinese, so a sound one must outbid it."""
    if "\u3040" <= char <= "\u30ff":  # kana
        return 0.9 if codec in {"shift_jis", "euc_jp"} else 0.3
    if not ("\u4e00" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7a3"):
        return 0.1
    if codec == "euc_kr" and char <= "\u9fff":  # Chinese characters are rare in Korean by now
        return 0.3
    try:
        lead = char.encode(codec)[0]
    except UnicodeEncodeError:
        return 0.1
    return 0.9 if everyday[0] <= lead < everyday[1] else 0.3
