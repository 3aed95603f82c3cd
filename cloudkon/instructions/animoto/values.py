"""Reads the values of options, the same way for lines and for JSON, whose numbers arrive as strings."""

import re
from collections.abc import Callable
from enum import Enum
from fractions import Fraction
from typing import NamedTuple

from cloudkon.instructions.animoto.bad_value import BadValue
from cloudkon.instructions.animoto.font_characters import MOST_COMPOSED, compose, missing_characters
from cloudkon.instructions.animoto.links import check_link
from cloudkon.instructions.animoto.sizes import Preset

SMALLEST_SIDE, LARGEST_SIDE = 16, 4096
"""Pixels; 4096 is the limit of H.264 decoders in phones and televisions."""
_NAMED_LETTERS = 5
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,3})?|\.\d{1,3}", re.ASCII)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)
_SIZE = re.compile(r"(\d{1,9})x(\d{1,9})", re.ASCII)


class Value(NamedTuple):
    """One kind of value."""

    shape: str
    """What may be written, described for people."""
    examples: tuple[str, ...]
    """Valid values. They are the remedy in an error that knows no better one."""
    read: Callable[[str], object]
    """Returns the value, or raises ``BadValue``."""


def seconds(most: int, example: str, *, from_zero: bool = False) -> Value:
    """Accept a number of seconds, over 0 (or from 0 on) and up to ``most``."""
    bounds = f"{'0' if from_zero else 'over 0'} and up to {most}"

    def read(text: str) -> Fraction:
        if not _SECONDS.fullmatch(text):
            raise BadValue("it is not a number of seconds with at most three decimals")
        found = Fraction(text)
        if found > most or (not found and not from_zero):
            raise BadValue(f"it must be {bounds}")
        return found

    return Value(f"seconds, {'0' if from_zero else 'over 0'} to {most:,}", (example,), read)


def rate(most: int) -> Value:
    """Accept a whole number of frames a second."""

    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= most:
            raise BadValue(f"it is not a whole number of frames a second, 1 to {most}")
        return int(text)

    return Value(f"frames a second, 1 to {most}", ("30",), read)


def choice(choices: type[Enum]) -> Value:
    """Accept one of a few words."""
    by_word = {one.value: one for one in choices}

    def read(text: str) -> Enum:
        if text not in by_word:
            raise BadValue("there is no such choice")
        return by_word[text]

    return Value(", ".join(f"`{word}`" for word in by_word), tuple(by_word), read)


def words(most: int, example: str) -> Value:
    """Accept a text of characters that the font has; a line break begins a new line."""

    def read(text: str) -> str:
        text = text.strip()
        # Composing takes the square of a text's length where accents follow one another, so it comes second.
        if len(text) <= most * MOST_COMPOSED:
            text = compose(text).strip()
        if len(text) > most:
            raise BadValue(f"it has {len(text):,} characters, and the limit is {most}", "Shorten it")
        if lacking := missing_characters(text):
            named = ", ".join(f"{one!r} (U+{ord(one):04X})" for one in lacking[:_NAMED_LETTERS])
            more = f" and {len(lacking) - _NAMED_LETTERS} more" if len(lacking) > _NAMED_LETTERS else ""
            raise BadValue(
                f"the font has no {named}{more}", "It has Latin, Greek, Cyrillic and common symbols: use those"
            )
        return text

    return Value(f"text, up to {most} characters", (example,), read)


def link(example: str) -> Value:
    """Accept a link."""

    def read(text: str) -> str:
        check_link(text)
        return text

    return Value("an `https`, `http` or `s3` link", (example,), read)


def size() -> Value:
    """Accept a named size, or width and height in pixels."""
    names = tuple(preset.value for preset in Preset)
    shown = ", ".join(f"`{name}`" for name in names)
    shape = f"{shown}, or WIDTHxHEIGHT, even numbers of pixels, {SMALLEST_SIDE} to {LARGEST_SIDE}"
    return Value(shape, ("1280x720", *names), _read_size)


def _read_size(text: str) -> Preset | tuple[int, int]:
    named = [preset for preset in Preset if preset.value == text.lower()]
    if named:
        return named[0]
    found = _SIZE.fullmatch(text.lower())
    if found is None:
        raise BadValue("it is neither WIDTHxHEIGHT nor a known name")
    width, height = int(found[1]), int(found[2])
    if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in (width, height)):
        raise BadValue(f"width and height must be {SMALLEST_SIDE} to {LARGEST_SIDE} pixels")
    if width % 2 or height % 2:
        raise BadValue("width and height must be even, because H.264 stores colour for every second pixel")
    return width, height
