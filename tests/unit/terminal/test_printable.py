"""Foreign text becomes printable: each character that is not shown as itself is a visible escape."""

import json
import pickle
import traceback
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.api.futures import TaskFailed
from cloudkon.errors import InvalidInput, PermanentFailure, ServiceError
from cloudkon.model import Result, TaskId, TaskState
from cloudkon.printable import MOST_MARKS, json_text, printable
from tests.support.pseudo_terminal import HOSTILE, Shown

ANY_TEXT = st.text(st.characters(codec=None))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b2J", "\\x9b2J"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x00\x07\x7f", "\\x00\\x07\\x7f"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("\u2066a\u2069 b\u200bc\ufeff", "\\u2066a\\u2069 b\\u200bc\\ufeff"),
        ("a\u2028b\u2029c\x85d", "a\\u2028b\\u2029c\\x85d"),
        ("\udcff.txt", "\\udcff.txt"),
        ("a\ufe0fb\u2800", "a\\ufe0fb\\u2800"),
        ("\U000e0041\U000e0100\u3164", "\\U000e0041\\U000e0100\\u3164"),
        ("grüße, 日本, עברית, ❤\ufe0f, 1\u00a0km", "grüße, 日本, עברית, ❤\ufe0f, 1\u00a0km"),
    ],
)
def test_printable_shows_what_a_terminal_would_obey_or_hide(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


# DerivedCoreProperties.txt of the Unicode Character Database 16.0: all of Default_Ignorable_Code_Point.
DEFAULT_IGNORABLE = [
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
]
# The code charts show nothing for these, and they are not of that property: U+2800 Braille pattern blank, U+13441 and
# U+13442 Egyptian full and half blank, U+16FE4 Khitan small script filler, U+1D159 null notehead.
BLANK = [(0x2800, 0x2800), (0x13441, 0x13442), (0x16FE4, 0x16FE4), (0x1D159, 0x1D159)]


@pytest.mark.parametrize(("first", "last"), DEFAULT_IGNORABLE + BLANK, ids=lambda code: f"{code:04X}")
def test_character_that_shows_nothing_is_escaped(first: int, last: int) -> None:
    for code in range(first, last + 1):
        assert printable(f"a{chr(code)}b").isascii()
        assert json.loads(shown := json_text(chr(code), ascii_only=False)) == chr(code)
        assert shown.isascii()


@pytest.mark.parametrize("text", ["❤\ufe0f", "☎\ufe0e", "1\ufe0f\u20e3", "\u2139\ufe0f", "↔\ufe0f"], ids=ascii)
def test_selector_of_an_emoji_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("text", ["\ufe0f", '"\ufe0f', "a\ufe0fb", " \ufe0e", "❤\ufe0f\ufe0f"], ids=ascii)
def test_selector_that_selects_nothing_is_escaped(text: str) -> None:
    assert printable(text).endswith(ascii(text[-1])[1:-1])
    assert printable(printable(text)) == printable(text)


def test_marks_of_a_language_stay_and_a_tower_of_marks_does_not() -> None:
    for text in ("Nguye\u0302\u0303n", "שָׁלוֹם", "က္ဘာ", "ភ្នំពេញ", "हिन्दी", "─" * 80, "日本語。" * 30):
        assert printable(text) == text
    tower = "e" + "\u0301" * 500
    assert printable(tower) == "e" + "\u0301" * MOST_MARKS + "\\u0301" * (500 - MOST_MARKS)
    assert printable(printable(tower)) == printable(tower)
    assert json.loads(json_text(tower, ascii_only=False)) == tower


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_number_that_json_does_not_have_is_null(number: float) -> None:
    value = {"a": [number, 1.5, (number,)], "b": {"c": number}}
    assert json_text(value) == '{"a": [null, 1.5, [null]], "b": {"c": null}}'


def test_printable_text_of_several_lines_keeps_its_line_breaks() -> None:
    assert printable("a\n\tb\r\x1b", lines=True) == "a\n\tb\\r\\x1b"


@given(ANY_TEXT)
def test_printable_text_has_no_control_or_format_character(text: str) -> None:
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert not [char for char in printable(text) if unicodedata.category(char) in hidden]


@given(st.dictionaries(ANY_TEXT, ANY_TEXT), st.booleans(), st.sampled_from([None, 2]))
def test_json_text_is_printable_and_the_same_value(value: dict[str, str], ascii_only: bool, indent: int | None) -> None:
    text = json_text(value, ascii_only=ascii_only, indent=indent)
    assert printable(text, lines=True) == text
    # A pair of surrogates is one character in JSON.
    assert json.loads(text) == json.loads(json.dumps(value))


@pytest.mark.parametrize(
    "error",
    [
        TaskFailed(Result(TaskId("r1", 0), TaskState.FAILED, error=HOSTILE)),
        InvalidInput(HOSTILE, HOSTILE, HOSTILE),
        ServiceError(HOSTILE),
    ],
)
def test_error_is_printable_in_a_traceback(error: Exception) -> None:
    # Line breaks stay: a handler's error may have several lines.
    Shown(" ".join("".join(traceback.format_exception(error)).split("\n"))).assert_harmless()


def test_task_failed_keeps_the_recorded_error_as_it_is() -> None:
    failed = TaskFailed(Result(TaskId("r1", 0), TaskState.FAILED, error=HOSTILE))
    assert pickle.loads(pickle.dumps(failed)).recorded.error == HOSTILE


def test_permanent_failure_is_recorded_as_the_handler_wrote_it() -> None:
    assert str(PermanentFailure("a\x1bb")) == "a\x1bb"
