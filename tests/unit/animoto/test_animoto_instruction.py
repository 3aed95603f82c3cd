from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudkon.errors import InvalidInstruction
from cloudkon.instructions import check
from cloudkon.instructions.animoto import LONGEST_VIDEO, MOST_LINKS, AnimotoJob, Fit, OnMissing, parse_animoto
from cloudkon.words import ANIMOTO

LINK = "https://example.org/one.jpg"


def test_links_alone_make_a_job_of_one_second_a_picture_in_full_hd() -> None:
    job = parse_animoto(f"{LINK} http://example.org:8080/two?size=large s3://my-bucket/a/b.png")
    assert job == AnimotoJob(
        links=(LINK, "http://example.org:8080/two?size=large", "s3://my-bucket/a/b.png"),
        seconds=Fraction(1),
        fps=30,
        width=1920,
        height=1080,
        fit=Fit.CONTAIN,
        on_missing=OnMissing.FAIL,
    )


def test_every_option_is_taken_in_both_spellings_and_anywhere() -> None:
    job = parse_animoto(f"--seconds 2.5 --fps=25 {LINK} --size 640x360 --fit=cover --on-missing skip")
    assert (job.seconds, job.fps, job.width, job.height) == (Fraction(5, 2), 25, 640, 360)
    assert (job.fit, job.on_missing) == (Fit.COVER, OnMissing.SKIP)


@pytest.mark.parametrize(("name", "size"), [("720p", (1280, 720)), ("1080P", (1920, 1080)), ("4k", (3840, 2160))])
def test_sizes_have_names(name: str, size: tuple[int, int]) -> None:
    job = parse_animoto(f"--size {name} {LINK}")
    assert (job.width, job.height) == size


def test_quotes_are_read_as_a_shell_would() -> None:
    assert parse_animoto("--fps '25' \"s3://bucket/my picture.jpg\"").links == ("s3://bucket/my picture.jpg",)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("", "no link"),
        ("--fps 30", "no link"),
        (f"--speed 3 {LINK}", "no such option. Known: --seconds, --fps"),
        (f"--fps=30 --fps 25 {LINK}", "twice"),
        (f"{LINK} --fps", "value is missing"),
        (f"--fps= {LINK}", "value is missing"),
        (f"--seconds 0 {LINK}", "over 0"),
        (f"--seconds -1 {LINK}", "not a number of seconds"),
        (f"--seconds 1e3 {LINK}", "not a number of seconds"),
        (f"--seconds nan {LINK}", "not a number of seconds"),
        (f"--seconds 1.2345 {LINK}", "three decimals"),
        (f"--seconds 3600.001 {LINK}", "up to 3600"),
        (f"--seconds 0.033 {LINK}", "less than one frame at 30 frames a second. Give at least --seconds 0.034"),
        (f"--fps 0 {LINK}", "1 to 120"),
        (f"--fps 121 {LINK}", "1 to 120"),
        (f"--fps 29.97 {LINK}", "whole number"),
        (f"--fps ٣ {LINK}", "whole number"),
        (f"--size big {LINK}", "neither WIDTHxHEIGHT nor a known name. Write it as: --size 1280x720, or one of 720p"),
        (f"--size 641x360 {LINK}", "even"),
        (f"--size 14x16 {LINK}", "16 to 4096"),
        (f"--size 4098x16 {LINK}", "16 to 4096"),
        (f"--fit stretch {LINK}", "Write it as: --fit contain, or --fit cover"),
        (f"--on-missing ignore {LINK}", "fail, or --on-missing skip"),
        ("ftp://example.org/one.jpg", "neither http, https nor s3"),
        ("/home/me/one.jpg", "neither http, https nor s3"),
        ("https:///one.jpg", "names no host"),
        ("https://example.org:99999/one.jpg", "can't be read"),
        ("https://[::1/one.jpg", "can't be read"),
        ("https://me:secret@example.org/one.jpg", "user name"),
        ("s3://bucket", "no bucket and key"),
        ("s3://bucket/", "no bucket and key"),
        ("s3://B/one.jpg", "no bucket and key"),
        (f"s3://bucket/{'k' * 1025}", "no bucket and key"),
        ("https://example.org/it's.jpg", "in a link write ' as %27"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(arguments: str, says: str) -> None:
    with pytest.raises(InvalidInstruction) as caught:
        parse_animoto(arguments)
    assert says in str(caught.value)
    assert caught.value.remedy
    assert "secret" not in caught.value.reason
    assert "\n" not in str(caught.value)


def test_a_video_has_a_longest_length_and_most_links() -> None:
    parse_animoto(" ".join([LINK] * MOST_LINKS))
    with pytest.raises(InvalidInstruction, match="10,001 links"):
        parse_animoto(" ".join([LINK] * (MOST_LINKS + 1)))
    parse_animoto(f"--seconds 3600 {' '.join([LINK] * (LONGEST_VIDEO // 3600))}")
    with pytest.raises(InvalidInstruction, match="5 pictures make 18,000 s"):
        parse_animoto(f"--seconds 3600 {' '.join([LINK] * 5)}")


def test_push_checks_it_and_knows_its_pool() -> None:
    assert check(f"animoto --fps 25 {LINK}") is ANIMOTO
    with pytest.raises(InvalidInstruction):
        check("animoto --fps 25")


@given(st.text(max_size=80))
def test_any_text_is_taken_or_refused_by_its_own_error(text: str) -> None:
    try:
        job = parse_animoto(text)
    except InvalidInstruction:
        return
    assert job.links
