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
from cloudkon.printable import json_text, printable
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
        ("\U000e0041\U000e0100\u3164", "\\U000e0041\\U000e0100\\u3164"),
        ("grüße, 日本, עברית, ❤\ufe0f, 1\u00a0km", "grüße, 日本, עברית, ❤\ufe0f, 1\u00a0km"),
    ],
)
def test_printable_shows_what_a_terminal_would_obey_or_hide(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


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
