"""Makes foreign text printable: characters that control a terminal or hide text become visible escapes.

A task's output, an error, a file's name and a message's body are written by others. Printed as they are, they could
move the cursor, set the window's title, show text in another order than it has, or forge a line of ours.
"""

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any, Final

_INVISIBLE: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
    + "".join(map(chr, [*range(0xFE00, 0xFE0E), *range(0xE0100, 0xE01F0)]))
)
"""Characters that show nothing, though Unicode counts them as marks or letters. FE0E and FE0F choose between a symbol
and its emoji, so they stay."""
_NOT_ASCII_TEXT: Final = re.compile("[^ -~]")
_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str, *, lines: bool = False) -> str:
    r"""Return the text with a visible escape (``\x1b``, ``\u202e``) for each character that isn't shown as itself.

    These are control characters (C0, C1, DEL), format characters (bidirectional, zero-width), separators of lines and
    paragraphs, lone surrogates, and code points without a character. With ``lines``, line breaks and tabs stay: for
    texts of several lines. Calling it twice changes nothing more.
    """
    if _is_printable(text.replace("\n", "").replace("\t", "") if lines else text):
        return text
    kept = "\n\t" if lines else ""
    return _NOT_ASCII_TEXT.sub(lambda found: found[0] if found[0] in kept else _shown(found[0], _escape), text)


def json_text(value: object, *, ascii_only: bool = True, indent: int | None = None, **options: Any) -> str:  # noqa: ANN401  (options of ``json.dumps``)
    """Return a value as JSON that is safe to print: unprintable characters are JSON's own escapes, so no text changes.

    ``json.dumps`` alone leaves DEL as it is, and without ``ascii_only`` also C1 and bidirectional controls.
    """
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent, **options)
    if _is_printable(text if indent is None else text.replace("\n", "")):
        return text
    return _NOT_ASCII_TEXT.sub(lambda found: found[0] if found[0] == "\n" else _shown(found[0], _json_escape), text)


def _is_printable(text: str) -> bool:
    return text.isprintable() and (text.isascii() or _INVISIBLE.isdisjoint(text))


def _shown(char: str, escape: Callable[[str], str]) -> str:
    # Spaces other than ASCII's are separators to ``isprintable``, but they are shown as what they are.
    if _is_printable(char) or unicodedata.category(char) == "Zs":
        return char
    return escape(char)


def _escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:  # noqa: PLR2004  (two digits)
        return _NAMED.get(char, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004  (four digits)


def _json_escape(char: str) -> str:
    # JSON has no escape for a code point above FFFF; ``dumps`` writes it as a pair.
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else json.dumps(char)[1:-1]  # noqa: PLR2004  (four digits)
