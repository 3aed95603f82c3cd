import itertools
from dataclasses import replace
from fractions import Fraction

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cloudkon.instructions.animoto import AnimotoJob, Slide, Transition, transition_frames
from images.animoto.cli import main
from images.animoto.timeline.film import Film
from images.animoto.timeline.plan import (
    FADES_THROUGH,
    Blend,
    Colour,
    Hold,
    Segment,
    describe_plan,
    frame_count,
    plan,
)

LINK = "https://example.org/one.jpg"
FPS = st.integers(1, 60)
SLIDE = st.builds(
    Slide,
    link=st.just(LINK),
    seconds=st.fractions(Fraction(1), 5, max_denominator=1000),
    transition=st.sampled_from(Transition),
    transition_seconds=st.none() | st.fractions(Fraction(1, 20), 2, max_denominator=1000),
)
SLIDES = st.lists(SLIDE, min_size=1, max_size=7)


def middles(segments: list[Segment], picture: int) -> list[Segment]:
    """Return the segments between one picture alone and the next one alone."""
    shown = [one.shown if isinstance(one, Hold) else None for one in segments]
    return segments[shown.index(picture) + 1 : shown.index(picture + 1)]


@given(SLIDES, FPS)
def test_segments_cover_every_frame_and_hold_every_picture(slides: list[Slide], fps: int) -> None:
    segments = list(plan(fps, slides))
    end = 0
    for segment in segments:
        assert segment.first == end
        assert segment.frames >= 1
        end += segment.frames
    assert end == frame_count(fps, slides)
    held = {one.shown: one.frames for one in segments if isinstance(one, Hold) and isinstance(one.shown, int)}
    assert list(held) == list(range(len(slides)))
    for number in range(len(slides) - 1):
        if middles(segments, number):
            assert min(held[number], held[number + 1]) >= 2


@given(SLIDES, FPS)
def test_transition_has_its_length_and_is_centred_on_the_next_picture_s_begin(slides: list[Slide], fps: int) -> None:
    segments = list(plan(fps, slides))
    for number, (before, after) in enumerate(itertools.pairwise(slides)):
        between = middles(segments, number)
        assert sum(one.frames for one in between) == transition_frames(before, after, fps)
        if between:
            begins = sum((slide.seconds for slide in slides[: number + 1]), Fraction(0)) * fps
            first, end = between[0].first, between[-1].first + between[-1].frames
            assert abs(Fraction(first + end, 2) - begins) <= 1
            kinds = {one.kind for one in between if isinstance(one, Blend)}
            assert kinds <= {before.transition if before.transition not in FADES_THROUGH else Transition.CROSSFADE}


@given(SLIDES, FPS)
def test_blends_progress_evenly_between_their_neighbours(slides: list[Slide], fps: int) -> None:
    shown: object = 0
    for segment in plan(fps, slides):
        if isinstance(segment, Hold):
            shown = segment.shown
        else:
            assert segment.before == shown
            shares = [segment.share(number) for number in range(segment.frames)]
            steps = [end - begin for begin, end in zip([Fraction(0), *shares], [*shares, Fraction(1)], strict=True)]
            assert len(set(steps)) == 1
            shown = segment.after


@given(SLIDES, FPS, st.data())
def test_film_bounds_the_longest_transition_whichever_pictures_are_missing(
    slides: list[Slide], fps: int, data: st.DataObject
) -> None:
    film = Film.of(AnimotoJob(slides=tuple(slides), fps=fps))
    there = data.draw(st.lists(st.sampled_from(range(len(slides))), unique=True, min_size=1).map(sorted))
    segments = list(plan(fps, [slides[number] for number in there]))
    assert all(one.frames <= film.longest_transition for one in segments if isinstance(one, Blend))
    assert {one.shown for one in segments if isinstance(one, Hold)} <= {*range(len(there)), *film.colours}


def slide(transition: Transition, frames: int, seconds: int = 2) -> Slide:
    """The plan at ten frames a second."""
    return Slide(link=LINK, seconds=Fraction(seconds), transition=transition, transition_seconds=Fraction(frames, 10))


@pytest.mark.parametrize("transition", [Transition.CROSSFADE, Transition.WIPE, Transition.PUSH])
def test_plan_of_two_pictures(transition: Transition) -> None:
    two = [slide(transition, 5)] * 2
    assert list(plan(10, two)) == [Hold(0, 0, 18), Blend(transition, 0, 1, 18, 5), Hold(1, 23, 17)]


def test_plan_of_different_slides() -> None:
    """Each slide has its own time and the transition after it; the last transition is ignored."""
    slides = [
        slide(Transition.CROSSFADE, 4, seconds=1),
        slide(Transition.CUT, 0, seconds=3),
        slide(Transition.FADE_WHITE, 6, seconds=2),
        slide(Transition.PUSH, 9, seconds=1),
    ]
    assert list(plan(10, slides)) == [
        Hold(0, 0, 8),
        Blend(Transition.CROSSFADE, 0, 1, 8, 4),
        Hold(1, 12, 28),
        Hold(2, 40, 17),
        Blend(Transition.CROSSFADE, 2, Colour.WHITE, 57, 2),
        Hold(Colour.WHITE, 59, 2),
        Blend(Transition.CROSSFADE, Colour.WHITE, 3, 61, 2),
        Hold(3, 63, 7),
    ]


def test_transition_next_to_a_short_picture_is_shortened() -> None:
    """This only happens where pictures between are missing: a job like that is refused at push."""
    slides = [slide(Transition.WIPE, 12), replace(slide(Transition.WIPE, 12), seconds=Fraction(1, 2))]
    assert list(plan(10, slides)) == [Hold(0, 0, 19), Blend(Transition.WIPE, 0, 1, 19, 3), Hold(1, 22, 3)]
    usual = [replace(one, transition_seconds=None) for one in (slides[0], replace(slides[1], seconds=Fraction(4, 5)))]
    assert [one.frames for one in plan(10, usual)] == [18, 4, 6]


@pytest.mark.parametrize(("frames", "each", "pause"), [(1, 0, 1), (2, 0, 2), (3, 1, 1), (6, 2, 2), (9, 3, 3)])
def test_fades_pause_at_their_colour(frames: int, each: int, pause: int) -> None:
    between = middles(list(plan(10, [slide(Transition.FADE_WHITE, frames)] * 2)), 0)
    colours = [one for one in between if isinstance(one, Hold)]
    assert [(one.shown, one.frames) for one in colours] == [(Colour.WHITE, pause)]
    assert [one.frames for one in between if isinstance(one, Blend)] == [each] * 2 * (each > 0)


def test_plan_is_described_in_words() -> None:
    assert list(describe_plan(10, [slide(Transition.FADE_BLACK, 6)] * 2)) == [
        "    0.000 s  frame      0     17 frames  picture 1",
        "    1.700 s  frame     17      2 frames  crossfade from picture 1 to black",
        "    1.900 s  frame     19      2 frames  black",
        "    2.100 s  frame     21      2 frames  crossfade from black to picture 2",
        "    2.300 s  frame     23     17 frames  picture 2",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "animoto --seconds 2 --transition push https://example.org/1.jpg https://example.org/2.jpg",
        'animoto {"transition": "push", "seconds": 2, "pictures": ["https://a.example/1", {"link": "s3://store/2"}]}',
    ],
)
def test_plan_of_an_instruction_is_printed(line: str) -> None:
    printed = CliRunner().invoke(main, ["--plan", line])
    assert printed.exit_code == 0
    assert [text[27:] for text in printed.stdout.splitlines()] == [
        "   53 frames  picture 1",
        "   15 frames  push from picture 1 to picture 2",
        "   52 frames  picture 2",
    ]


def test_plan_of_an_invalid_instruction_is_refused() -> None:
    refused = CliRunner().invoke(main, ["--plan", "animoto --transition star https://example.org/1.jpg"])
    assert refused.exit_code == 2
    assert "there is no such choice" in refused.stderr
