"""Instructions cost time in proportion to their length, whatever is in them."""

import shlex
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudkon.errors import InvalidInstruction
from cloudkon.instructions.animoto import parse_animoto
from cloudkon.instructions.animoto.bad_value import BadValue
from cloudkon.instructions.animoto.font_characters import MOST_COMPOSED, compose
from cloudkon.instructions.animoto.links import LONGEST_LINK, check_link
from cloudkon.instructions.animoto.quoting import split_words
from cloudkon.wire.message import INSTRUCTION_LIMIT

LINK = "https://example.org/one.jpg"
ACCENTS = "\u0316\u0301"
"""Two accents in the wrong order: normalising sorts a row of them, in the square of its length."""

HOSTILE: dict[str, Callable[[int], str]] = {
    "different names, one twice": lambda size: (
        '{"k0":1,' + ",".join(f'"k{number}":1' for number in range(size // 4, 0, -1)) + ',"k1":1}'
    ),
    "accents in a title": lambda size: f'{{"title": "a{ACCENTS * size}", "pictures": ["{LINK}"]}}',
    "accents in a caption": lambda size: f'{{"pictures": [{{"link": "{LINK}", "caption": "a{ACCENTS * size}"}}]}}',
    "accents in a host name": lambda size: f"https://a{ACCENTS * size}/one.jpg",
    "accents in a link of music": lambda size: f"--music https://a{ACCENTS * size}/one.mp3 {LINK}",
    "backslashes": lambda size: "\\a" * 2 * size,
    "a long quotation": lambda size: "'" + "a" * 4 * size + "'",
    "many quotations": lambda size: "'a'\"b\"" * size,
    "escapes in a quotation": lambda size: '"' + '\\"' * 2 * size + '"',
    "a quotation that is not closed": lambda size: "'a' " * size + '"' + "\\a" * size,
    "digits": lambda size: f'{{"seconds": {"1" * 4 * size}, "pictures": ["{LINK}"]}}',
    "brackets": lambda size: f'{{"seconds": {"[" * 4 * size}',
}


def seconds_to_parse(text: str) -> float:
    """CPU seconds, the shortest of three tries."""
    tries = []
    for _try in range(3):
        begun = time.process_time()
        with suppress(InvalidInstruction):
            parse_animoto(text)
        tries.append(time.process_time() - begun)
    return min(tries)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_parsing_time_grows_in_proportion_to_the_length(hostile: str) -> None:
    short, long = (seconds_to_parse(HOSTILE[hostile](size)) for size in (16_000, 16 * 16_000))
    # 256 times for what was quadratic. Below a millisecond the clock's resolution is all that is seen.
    assert long < 64 * max(short, 0.001)


def test_instruction_over_the_limit_is_not_parsed() -> None:
    with pytest.raises(InvalidInstruction, match=r"it has 4,194,316 bytes, and an instruction may have 4,194,304"):
        parse_animoto("{" + "x" * (INSTRUCTION_LIMIT + 11))


@pytest.mark.parametrize(
    ("link", "says"),
    [
        (f"https://example.org/{'a' * LONGEST_LINK}", "it has 8,020 characters, and the limit is 8,000"),
        (f"s3://bucket/{'a' * LONGEST_LINK}", "it has 8,012 characters, and the limit is 8,000"),
        (f"https://{'a' * 301}/one.jpg", "its host name has 301 characters, and the limit is 300"),
        (f"https://{'a' * 301}", "its host name has 301 characters"),
    ],
)
def test_long_links_are_refused_by_their_length(link: str, says: str) -> None:
    with pytest.raises(BadValue, match=says):
        check_link(link)


def test_presigned_link_of_a_session_is_accepted() -> None:
    check_link(f"https://photos.s3.eu-central-1.amazonaws.com/one.jpg?X-Amz-Security-Token={'A' * 2000}")


def test_title_is_measured_after_its_letters_and_accents_are_composed() -> None:
    four = "\u03c9\u0314\u0342\u0345"  # one letter with three accents
    assert len(compose(four)) == 1
    assert len(four) == MOST_COMPOSED
    decomposed = "o\u0304" * 120  # 240 characters become 120
    job = parse_animoto(f'{{"title": "{decomposed}", "pictures": ["{LINK}"]}}')
    assert job.title == "\u014d" * 120
    with pytest.raises(InvalidInstruction, match="it has 121 characters, and the limit is 120"):
        parse_animoto(f'{{"title": "{decomposed}o", "pictures": ["{LINK}"]}}')


def test_first_field_that_is_given_twice_is_named() -> None:
    with pytest.raises(InvalidInstruction, match='"fps": it is given twice'):
        parse_animoto(f'{{"fps": 1, "size": "4k", "fps": 1, "size": "4k", "pictures": ["{LINK}"]}}')


@given(st.text(st.sampled_from("ab'\"\\ \t\r\n#é"), max_size=30))
def test_words_are_those_of_a_posix_shell(text: str) -> None:
    try:
        expected = shlex.split(text)
    except ValueError:
        with pytest.raises(BadValue, match=r"its quotes can't be read: No (closing quotation|escaped character)"):
            split_words(text)
    else:
        assert split_words(text) == expected
