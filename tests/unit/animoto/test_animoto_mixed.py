"""Films whose pictures differ in length and transition."""

from collections.abc import AsyncIterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cloudkon.instructions.animoto import AnimotoJob, Slide, Transition
from images.animoto.encode.ffmpeg_renderer import FfmpegRenderer
from images.animoto.encode.h264_renderer import H264Renderer
from images.animoto.encode.renderer import Renderer
from images.animoto.timeline.film import Film, NormalisedPicture
from images.animoto.timeline.plan import frame_count, plan
from images.animoto.verify.verify import verify
from images.animoto.verify.visual_check import check_frames, thumbnail
from tests.support import films
from tests.support import picture_corpus as corpus
from tests.unit.animoto.planes import DECODERS, computed, decoded, same

FPS = 25
PARTS = [
    ("0.4", Transition.CROSSFADE, "0.2"),
    ("1.02", Transition.FADE_BLACK, "0.36"),
    ("0.9", Transition.CUT, None),
    ("0.04", Transition.CUT, None),
    ("0.5", Transition.FADE_WHITE, None),
    ("0.7", Transition.PUSH, "0.12"),
    ("0.7", Transition.PUSH, "0.2"),
    ("0.31", Transition.FADE_BLACK, None),
    ("2.5", Transition.WIPE, "0.08"),
    ("0.2", Transition.CROSSFADE, "9"),
]
"""Seconds, transition, and the transition's seconds; the last transition is ignored."""


def mixed() -> tuple[Film, list[Slide]]:
    slides = [
        Slide(
            link=f"https://example.org/{number}.jpg",
            seconds=Fraction(seconds),
            transition=transition,
            transition_seconds=Fraction(between) if between else None,
        )
        for number, (seconds, transition, between) in enumerate(PARTS)
    ]
    return Film.of(AnimotoJob(slides=tuple(slides), fps=FPS, width=96, height=54)), slides


def scenes(film: Film, count: int) -> list[bytes]:
    return [corpus.scenery(seed, film.width, film.height).tobytes() for seed in range(count)]


async def rendered(
    video: Path, film: Film, slides: Sequence[Slide], pictures: Sequence[bytes], renderer: Renderer
) -> Path:
    async def stream() -> AsyncIterator[NormalisedPicture]:
        for slide, picture in zip(slides, pictures, strict=True):
            yield NormalisedPicture(slide, picture)

    await renderer.render(stream(), film, video)
    keys = await verify(video, film, frame_count(FPS, slides))
    await check_frames(video, film, list(plan(FPS, slides)), [thumbnail(one, film) for one in pictures], keys)
    return video


@pytest.mark.parametrize("missing", [(), (2, 3), (0, 4, 9), (1, 2, 3, 5, 6, 7, 8)])
async def test_every_frame_equals_the_plan_whichever_pictures_are_missing(
    tmp_path: Path, missing: tuple[int, ...]
) -> None:
    film, slides = mixed()
    there = [number for number in range(len(slides)) if number not in missing]
    slides = [slides[number] for number in there]
    pictures = [scenes(film, 10)[number] for number in there]
    video = await rendered(tmp_path / "video.mp4", film, slides, pictures, H264Renderer())
    for decoder in DECODERS:
        frames = decoded(video, film, decoder)
        for number, (found, wanted) in enumerate(
            zip(frames, computed(film, list(plan(FPS, slides)), frames), strict=True)
        ):
            assert same(found, wanted), (number, decoder)


async def test_written_and_encoded_films_show_the_same(tmp_path: Path) -> None:
    film, slides = mixed()
    pictures = scenes(film, len(slides))
    ours = await rendered(tmp_path / "ours.mp4", film, slides, pictures, H264Renderer())
    theirs = await rendered(tmp_path / "theirs.mp4", film, slides, pictures, FfmpegRenderer())
    pairs = zip(films.decoded_frames(ours, film), films.decoded_frames(theirs, film), strict=True)
    for number, (one, other) in enumerate(pairs):
        assert np.abs(one.astype(int) - other).mean() < 6, number
