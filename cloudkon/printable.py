"""Makes foreign text printable: characters that control a terminal or hide text become visible escapes.

A task's output, an error, a file's name and a message's body are written by others. Printed as they are, they could
move the cursor, set the window's title, show text in another order than it has, or forge a line of ours.
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

_IGNORABLE: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
    + "".join(map(chr, [*range(0xFE00, 0xFE0E), *range(0xE0100, 0xE01F0)]))
)
"""The marks and letters of ``Default_Ignorable_Code_Point``, which show nothing (Unicode Character Database 16.0,
DerivedCoreProperties.txt). All others of that property are format characters or unassigned, which ``isprintable``
knows; FE0E and FE0F are ``_SELECTORS``."""
_BLANK: Final = frozenset("\u2800\U00013441\U00013442\U00016fe4\U0001d159")
"""Characters whose glyph is empty, though Unicode counts them as letters, marks or symbols: the Braille pattern blank,
two Egyptian blanks, the Khitan filler and the null notehead (The Unicode Standard, code charts)."""
_INVISIBLE: Final = _IGNORABLE | _BLANK
_SELECTORS: Final = frozenset("\ufe0e\ufe0f")
"""They choose between a symbol and its emoji, and show nothing behind any other character."""
_EMOJI_BASES: Final = frozenset("#*0123456789\u2139")
"""The characters of ASCII and the letter that have an emoji (emoji-variation-sequences.txt)."""
MOST_MARKS: Final = 30
"""Combining marks that one character may have: the most that any language needs, with a large reserve (Unicode Standard
Annex 15, "Stream-Safe Text Format"). More of them would be painted over other lines."""
_MAYBE_STACK: Final = re.compile(rf"[^\w\x00-\x7f]{{{MOST_MARKS + 1}}}")
"""Finds more than ``MOST_MARKS`` marks, and as many symbols: most texts have neither, and need no closer look."""
_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return the text with a visible escape (``\x1b``, ``\u202e``) for each character that isn't shown as itself.

    These are control characters (C0, C1, DEL), format characters (bidirectional, zero-width), separators of lines and
    paragraphs, lone surrogates, code points without a character, characters with an empty glyph, and marks beyond
    ``MOST_MARKS`` on one character. With ``lines``, line breaks and tabs stay: for texts of several lines. Calling it
    twice changes nothing more.
    """
    if _is_printable(text.replace("\n", "").replace("\t", "") if lines else text):
        return text
    return _escaped(text, "\n\t" if lines else "", _escape)


def json_text(value: object, *, ascii_only: bool = True, indent: int | None = None, **options: Any) -> str:  # noqa: ANN401  (options of ``json.dumps``)
    """Return a value as JSON that is safe to print: unprintable characters are JSON's own escapes, so no text changes.

    Numbers that JSON doesn't have (NaN, infinity) become ``null``.

    ``json.dumps`` alone leaves DEL as it is, and without ``ascii_only`` also C1 and bidirectional controls.
    """
    try:
        text = json.dumps(value, ensure_ascii=ascii_only, indent=indent, allow_nan=False, **options)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=ascii_only, indent=indent, allow_nan=False, **options)
    if _is_printable(text if indent is None else text.replace("\n", "")):
        return text
    return _escaped(text, "\n", _json_escape)


def _finite(value: object) -> object:
    """Replace numbers that JSON doesn't have (NaN, infinity) by ``None``."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def _is_printable(text: str) -> bool:
    if not text.isprintable():
        return False
    return text.isascii() or (
        _INVISIBLE.isdisjoint(text) and _SELECTORS.isdisjoint(text) and not _MAYBE_STACK.search(text)
    )


def _escaped(text: str, kept: str, escape: Callable[[str], str]) -> str:
    shown, before, marks = [], "", 0
    for char in text:
        if " " <= char <= "~" or char in kept:
            stays, marks = True, 0
        else:
            category = unicodedata.category(char)
            marks = marks + 1 if category[0] == "M" else 0
            stays = marks <= MOST_MARKS and _is_shown(char, category, before)
        shown.append(char if stays else escape(char))
        before = char
    return "".join(shown)


def _is_shown(char: str, category: str, before: str) -> bool:
    if char in _SELECTORS:
        return before in _EMOJI_BASES or (before > "~" and unicodedata.category(before)[0] in "NPS")
    # Spaces other than ASCII's are separators to ``isprintable``, but they are shown as what they are.
    return category == "Zs" or (char.isprintable() and char not in _INVISIBLE)


def _escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:  # noqa: PLR2004  (two digits)
        return _NAMED.get(char, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004  (four digits)


def _json_escape(char: str) -> str:
    # JSON has no escape for a code point above FFFF; ``dumps`` writes it as a pair.
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else json.dumps(char)[1:-1]  # noqa: PLR2004  (four digits)
