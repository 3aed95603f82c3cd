import json
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudkon.errors import InvalidInstruction
from cloudkon.instructions import check
from cloudkon.instructions.animoto import (
    LONGEST_VIDEO,
    MOST_LINKS,
    OPTIONS,
    AnimotoJob,
    Fit,
    Motion,
    OnMissing,
    Option,
    Quality,
    Scope,
    Slide,
    Transition,
    parse_animoto,
    transition_frames,
)
from cloudkon.model import ANIMOTO

LINK = "https://example.org/one.jpg"


def between(job: AnimotoJob) -> int:
    """Frames of the transition from the job's first picture to another one like it."""
    return transition_frames(job.slides[0], job.slides[0], job.fps)


def test_links_alone_make_one_second_a_picture_in_full_hd() -> None:
    links = (LINK, "http://example.org:8080/two?size=large", "s3://my-bucket/a/b.png")
    job = parse_animoto(" ".join(links))
    assert job == AnimotoJob(
        slides=tuple(
            Slide(
                link=link,
                seconds=Fraction(1),
                fit=Fit.CONTAIN,
                transition=Transition.CUT,
                transition_seconds=None,
                motion=Motion.NONE,
                caption="",
            )
            for link in links
        ),
        fps=30,
        width=1920,
        height=1080,
        quality=Quality.STANDARD,
        title="",
        music="",
        poster=None,
        on_missing=OnMissing.FAIL,
    )
    assert job.links == links
    assert between(job) == 0


@pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
def test_documented_default_is_the_real_default(option: Option) -> None:
    plain = parse_animoto(f'{{"pictures": ["{LINK}"]}}')
    if option.default:
        assert parse_animoto(f'{{"pictures": ["{LINK}"], "{option.name}": "{option.default}"}}') == plain
    elif option.field not in ("size", "aspect"):
        owner = plain.slides[0] if hasattr(plain.slides[0], option.field) else plain
        assert not getattr(owner, option.field)


@pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
def test_examples_in_remedies_are_valid(option: Option) -> None:
    beside = {"seconds": "9", "transition": "wipe"} if "seconds" in option.value.shape else {}
    for example in option.value.examples:
        if option.scope is not Scope.PICTURE:
            words = " ".join(f"--{name} {value}" for name, value in beside.items() if name != option.name)
            parse_animoto(f"{words} --{option.name} '{example}' {LINK}")
            parse_animoto(json.dumps({**beside, option.name: example, "pictures": [LINK]}))
        if option.scope is not Scope.JOB:
            parse_animoto(json.dumps({"pictures": [{**beside, "link": LINK, option.name: example}]}))


def test_options_are_accepted_in_both_spellings_and_anywhere() -> None:
    job = parse_animoto(f"--seconds 2.5 --fps=25 {LINK} --size 640x360 --fit=cover --on-missing skip")
    assert (job.slides[0].seconds, job.fps, job.width, job.height) == (Fraction(5, 2), 25, 640, 360)
    assert (job.slides[0].fit, job.on_missing) == (Fit.COVER, OnMissing.SKIP)


def test_line_and_document_make_the_same_job() -> None:
    line = f"--seconds 2.5 --fps 25 --size 720p --aspect 4:5 --fit blur --title 'A day' --poster 1.5 {LINK} s3://ab1/c"
    document = {
        "seconds": 2.5,
        "fps": 25,
        "size": "720p",
        "aspect": "4:5",
        "fit": "blur",
        "title": "A day",
        "poster": "1.5",
        "pictures": [LINK, {"link": "s3://ab1/c"}],
    }
    assert parse_animoto(line) == parse_animoto(json.dumps(document)) == parse_animoto(json.dumps(document, indent=2))


def test_settings_of_a_picture_override_the_job() -> None:
    job = parse_animoto(
        json.dumps(
            {
                "seconds": 2,
                "transition": "crossfade",
                "transition-seconds": 1,
                "fit": "cover",
                "pictures": [
                    LINK,
                    {"link": LINK, "seconds": 3.25, "caption": "Ça va? Grüße, Ñandú", "fit": "blur"},
                    {"link": LINK, "transition": "cut", "motion": "kenburns"},
                    {"link": LINK, "transition": "wipe", "transition-seconds": 0.2},
                ],
            }
        )
    )
    plain = Slide(
        link=LINK,
        seconds=Fraction(2),
        transition=Transition.CROSSFADE,
        transition_seconds=Fraction(1),
        fit=Fit.COVER,
    )
    assert job.slides == (
        plain,
        replace(plain, seconds=Fraction(13, 4), caption="Ça va? Grüße, Ñandú", fit=Fit.BLUR),
        replace(plain, transition=Transition.CUT, motion=Motion.KENBURNS),
        replace(plain, transition=Transition.WIPE, transition_seconds=Fraction(1, 5)),
    )


def test_accents_are_composed_with_their_letters() -> None:
    assert parse_animoto(f"--title 'Cafe\u0301 Nin\u0303o' {LINK}").title == "Café Niño"


@pytest.mark.parametrize("word", ["crossfade", "fade-black", "fade-white", "wipe", "push"])
def test_transition_lengths(word: str) -> None:
    job = parse_animoto(f"--transition {word} --transition-seconds 0.7 --quality best {LINK}")
    assert (job.slides[0].transition.value, between(job), job.quality) == (word, 21, Quality.BEST)
    assert between(parse_animoto(f"--transition {word} --seconds 4 {LINK}")) == 15
    # By default at most half of a picture's time, and no transition where there is no room.
    assert between(parse_animoto(f"--transition {word} --seconds 0.5 {LINK}")) == 7
    assert between(parse_animoto(f"--transition {word} --seconds 0.07 {LINK}")) == 0
    assert between(parse_animoto(f"--transition {word} --transition-seconds 126 --fps 1 --seconds 128 {LINK}")) == 126


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ("--size 720p", (1280, 720)),
        ("--size 1080P", (1920, 1080)),
        ("--size 4k", (3840, 2160)),
        ("--aspect 9:16", (1080, 1920)),
        ("--size 720p --aspect 1:1", (720, 720)),
        ("--aspect 4:5 --size 720p", (720, 900)),
        ("--aspect 4:5", (1080, 1350)),
        ("--size 4k --aspect 9:16", (2160, 3840)),
        ("--size 4k --aspect 4:5", (2160, 2700)),
    ],
)
def test_sizes_have_names_and_shapes(words: str, size: tuple[int, int]) -> None:
    job = parse_animoto(f"{words} {LINK}")
    assert (job.width, job.height) == size


def test_quotes_are_read_as_in_a_shell() -> None:
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
        (f"--size big {LINK}", "neither WIDTHxHEIGHT nor a known name. Write it as: --size 1280x720, or --size 720p"),
        (f"--size 641x360 {LINK}", "even"),
        (f"--size 14x16 {LINK}", "16 to 4096"),
        (f"--size 4098x16 {LINK}", "16 to 4096"),
        (f"--fit stretch {LINK}", "Write it as: --fit contain, or --fit cover"),
        (f"--on-missing ignore {LINK}", "fail, or --on-missing skip"),
        (f"--transition star {LINK}", "no such choice. Write it as: --transition cut, or --transition crossfade, or"),
        (f"--quality poor {LINK}", "Write it as: --quality fast, or --quality standard, or --quality best"),
        (f"--transition-seconds 0.5 {LINK}", "a cut takes no time. Choose another transition"),
        (f"--transition wipe --transition-seconds 0.001 {LINK}", "less than one frame at 30 frames a second"),
        (
            f"--transition wipe --transition-seconds 1 {LINK}",
            "room for 28 frames. Give at most --transition-seconds 0.9",
        ),
        (
            f"--transition wipe --transition-seconds 5 --seconds 9 {LINK}",
            "126 frames at 30 frames a second. Give at most",
        ),
        (f"--transition wipe --transition-seconds .1 --seconds .05 {LINK}", "Show each picture for longer"),
        (
            f"--size 640x640 --aspect 1:1 {LINK}",
            "already have a shape. Leave it out, or name a size: --size 1080p with --as",
        ),
        (f"--caption Hello {LINK}", 'in JSON: {"pictures": [{"link": …, "caption": …}]}'),
        (f"--title {'x' * 121} {LINK}", "it has 121 characters, and the limit is 120. Shorten it"),
        (f"--title 日本 {LINK}", "the font has no '日' (U+65E5), '本' (U+672C). It has Latin, Greek, Cyrillic"),
        (f"--poster 2 --seconds 2 {LINK}", "the video ends at 2 s. Choose a second"),
        (f"--music /home/me/song.mp3 {LINK}", "neither http, https nor s3"),
        ("'https://example.org/a\\tb'".replace("\\t", "\t"), "a line break or another control character"),
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
def test_errors_in_a_line_name_the_part_and_the_remedy(arguments: str, says: str) -> None:
    with pytest.raises(InvalidInstruction) as caught:
        parse_animoto(arguments)
    assert says in str(caught.value)
    assert caught.value.remedy
    assert "secret" not in caught.value.reason
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{", "line 1, column 2 is not JSON: Expecting property name enclosed in double quotes. Write it as: {"),
        ('{"x": ' + "[" * 100_000, "its brackets are nested too deeply"),
        ('{"pictures": []}', "there is no list of pictures"),
        ('{"pictures": "LINK"}', "there is no list of pictures"),
        ('{"pictures": [7]}', 'picture 1, "link": 7: it is neither http, https nor s3'),
        ('{"pictures": [["LINK"]]}', "picture 1, ['LINK']: it is neither a link nor an object with one"),
        ('{"pictures": ["LINK", {"seconds": 1}]}', "picture 2, {'seconds': '1'}: it is neither a link nor an object"),
        ('{"pictures": ["LINK"], "seconds": true}', '"seconds": its value is neither a number nor a text. Write it'),
        ('{"pictures": ["LINK"], "seconds": null}', '"seconds": its value is missing. Write it as: "seconds": 2.5'),
        ('{"pictures": ["LINK"], "seconds": NaN}', '"seconds": "NaN": it is not a number of seconds'),
        ('{"pictures": ["LINK"], "seconds": 1, "seconds": 2}', '"seconds": it is given twice'),
        ('{"pictures": ["LINK"], "fit": "star"}', 'Write it as: "fit": "contain", or "fit": "cover", or'),
        ('{"pictures": ["LINK"], "speed": 3}', '"speed": there is no such field here. Known: pictures, seconds, fps'),
        ('{"pictures": ["LINK"], "caption": "Hi"}', '"caption": there is no such field here. It belongs to a pic'),
        (
            '{"pictures": [{"link": "LINK", "size": "4k"}]}',
            'picture 1, "size": there is no such field here. It belongs',
        ),
        ('{"pictures": [{"link": "LINK", "caption": "\\ud800"}]}', "half a character"),
        ('{"pictures": [{"link": "s3://ab1/\\ud800"}]}', "half a character"),
        (
            '{"pictures": ["LINK"], "transition-seconds": 1}',
            'a cut takes no time. Choose another transition, such as "tra',
        ),
        (
            '{"pictures": ["LINK", {"link": "LINK", "transition-seconds": 1}]}',
            'picture 2, "transition-seconds": 1: a cut takes no time',
        ),
        (
            '{"transition": "wipe", "transition-seconds": 0.5, "pictures": ["LINK", {"link": "LINK", "seconds": 0.2}]}',
            'of 0.2 s at 30 frames a second have room for 4 frames. Give at most "transition-seconds": 0.133',
        ),
        (
            '{"pictures": ["LINK", {"link": "LINK", "seconds": 0.01}]}',
            'picture 2, "seconds": 0.01: that is less than one frame at 30 frames a second',
        ),
        (
            '{"seconds": 3600, "pictures": [{"link": "LINK", "caption": "a"}, "LINK", "LINK", "LINK", "LINK"]}',
            '"pictures": 5 pictures make 18,000 s',
        ),
    ],
)
def test_errors_in_a_document_name_the_place(document: str, says: str) -> None:
    with pytest.raises(InvalidInstruction) as caught:
        parse_animoto(document.replace("LINK", LINK))
    assert says in str(caught.value).replace(LINK, "LINK")
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_videos_are_limited_in_length_and_links() -> None:
    parse_animoto(" ".join([LINK] * MOST_LINKS))
    with pytest.raises(InvalidInstruction, match="10,001 links"):
        parse_animoto(" ".join([LINK] * (MOST_LINKS + 1)))
    parse_animoto(f"--seconds 3600 {' '.join([LINK] * (LONGEST_VIDEO // 3600))}")
    with pytest.raises(InvalidInstruction, match="5 pictures make 18,000 s"):
        parse_animoto(f"--seconds 3600 {' '.join([LINK] * 5)}")


def test_push_checks_animoto_and_knows_its_pool() -> None:
    assert check(f"animoto --fps 25 {LINK}") is ANIMOTO
    with pytest.raises(InvalidInstruction):
        check("animoto --fps 25")


FIELD = st.sampled_from([*OPTIONS, "link", "pictures", "speed"])
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from([LINK, "wipe"])
VALUE = st.recursive(LEAF, lambda of: st.lists(of, max_size=3) | st.dictionaries(FIELD, of, max_size=4), max_leaves=9)


# The first document takes a second if hypothesis' character tables are not cached yet.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(FIELD, VALUE))
def test_documents_parse_or_raise_invalid_instruction(document: dict[str, object]) -> None:
    with suppress(InvalidInstruction):
        assert parse_animoto(json.dumps({"pictures": [LINK], **document})).slides


@given(st.text(max_size=80))
def test_texts_parse_or_raise_invalid_instruction(text: str) -> None:
    try:
        job = parse_animoto(text)
    except InvalidInstruction:
        return
    assert job.links
