"""Lists the characters that captions and titles may use: those that the animoto image's font has."""

import unicodedata

SCRIPTS = {
    "Latin with all its accents": ((0x20, 0x7E), (0xA0, 0x24F), (0x1E00, 0x1EFB)),
    "Greek": ((0x384, 0x38A), (0x38C, 0x38C), (0x38E, 0x3A1), (0x3A3, 0x3E1)),
    "Cyrillic": ((0x400, 0x482), (0x48A, 0x513)),
    "punctuation": ((0x2010, 0x2027), (0x2030, 0x205E)),
    "currencies, arrows and common symbols": (
        (0x20A0, 0x20AF),
        (0x20B1, 0x20B5),
        (0x2100, 0x2109),
        (0x2116, 0x2117),
        (0x2122, 0x2122),
        (0x2150, 0x215F),
        (0x2190, 0x21FF),
        (0x2200, 0x22FF),
        (0x25A0, 0x269C),
        (0x2701, 0x2704),
        (0x2764, 0x2764),
    ),
}
"""First and last code points of each range. A test asks the font for each character in the ranges.

Scripts that join letters or run from right to left would need a shaping library; Chinese, Japanese and Korean would
need a font of 15 MB; emoji would need a colour font.
"""
_TAKEN = frozenset(
    chr(point) for ranges in SCRIPTS.values() for first, last in ranges for point in range(first, last + 1)
) | {"\n"}


MOST_COMPOSED = 4
"""Characters that become one at most when a text is composed (Unicode Standard Annex 15)."""


def compose(text: str) -> str:
    """Return the text with letters and accents composed into one character where Unicode has one, as fonts expect."""
    return unicodedata.normalize("NFC", text)


def missing_characters(text: str) -> list[str]:
    """Return the characters of a composed text that the font does not have, each once."""
    return [one for one in dict.fromkeys(text) if one not in _TAKEN]
