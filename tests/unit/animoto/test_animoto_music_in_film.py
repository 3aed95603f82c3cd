# ruff: noqa: ASYNC240  (a test has the loop to itself, and its files are small)

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cloudkon.errors import PermanentFailure
from cloudkon.handler import Context
from cloudkon.instructions.animoto import AnimotoJob, OnMissing, Slide, Transition
from cloudkon.memory import MemoryStore
from images.animoto.encode.ffmpeg_renderer import FfmpegRenderer
from images.animoto.encode.h264_renderer import H264Renderer
from images.animoto.encode.renderer import Renderer
from images.animoto.music.loudness import measured
from images.animoto.verify.verify import BadVideo, verify
from images.animoto.video import make_video
from tests.support import picture_corpus as corpus
from tests.support.films import description, processes_at
from tests.support.slideshow_jobs import Show, show
from tests.support.sounds import CLICKS, RATE, heard, sound
from tests.support.web import Web

SHOW = show("1.3", 25, transition=Transition.CROSSFADE, frames=7)


async def rendered(tmp_path: Path, renderer: Renderer, shown: Show, count: int, seconds: float) -> Path:
    """Music with a click on each second."""
    music = sound(tmp_path / "music.aac", CLICKS, seconds, RATE, "-ac", "2")
    asked: list[Fraction] = []

    async def give(length: Fraction) -> Path:
        asked.append(length)
        return music

    pictures = [corpus.scenery(seed, shown.width, shown.height).tobytes() for seed in range(count)]
    video = tmp_path / "video.mp4"
    await renderer.render(shown.stream(pictures), shown.film, video, give)
    assert asked == [Fraction(shown.frames(count), shown.film.fps)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["music.aac", "video.mp4"]
    return video


@pytest.mark.parametrize("renderer", [H264Renderer(), FfmpegRenderer()])
async def test_sound_and_pictures_begin_and_end_together(tmp_path: Path, renderer: Renderer) -> None:
    video = await rendered(tmp_path, renderer, SHOW, 4, 5.2)
    await verify(video, SHOW.film, 130, sound=True)
    samples = np.abs(heard(video)[:, 0])
    assert 0 <= len(samples) - 5.2 * RATE < 1024
    assert [int(np.argmax(samples[at : at + RATE // 2])) for at in range(0, 5 * RATE, RATE)] == [0] * 5
    said = description(video)
    assert "Audio: aac (LC) (mp4a" in said
    assert "48000 Hz, stereo" in said
    assert "start: 0.000000" in said


async def test_soundtrack_of_another_film_is_refused(tmp_path: Path) -> None:
    video = await rendered(tmp_path, H264Renderer(), SHOW, 4, 5.1)
    with pytest.raises(BadVideo, match=r"the sound ends at 5.\d+ s, and the video at 5.200 s"):
        await verify(video, SHOW.film, 130, sound=True)
    with pytest.raises(BadVideo, match="more than one stream"):
        await verify(video, SHOW.film, 130)
    await H264Renderer().render(SHOW.stream([corpus.flat(corpus.RED, 96, 54).tobytes()]), SHOW.film, video)
    with pytest.raises(BadVideo, match="the sound is coded as None"):
        await verify(video, SHOW.film, 33, sound=True)


# Whole jobs


def job(music: str, *links: str, on_missing: OnMissing = OnMissing.FAIL) -> AnimotoJob:
    slides = tuple(Slide(link=link, seconds=Fraction(3)) for link in links)
    return AnimotoJob(slides=slides, fps=10, width=96, height=54, music=music, on_missing=on_missing)


@pytest.fixture
def links(web: Web) -> list[str]:
    return [web.add(f"/{seed}.jpg", corpus.encoded(corpus.scenery(seed, 96, 54))) for seed in range(3)]


async def test_music_of_a_job_is_heard_and_has_the_same_bytes_each_time(
    web: Web, links: list[str], store: MemoryStore, context_for: Callable[..., Context], tmp_path: Path
) -> None:
    music = web.add("/music", sound(tmp_path / "one.mp3").read_bytes(), "audio/mpeg")
    first, second = [await make_video(job(music, *links), context_for(token=one), store) for one in ("first", "second")]
    assert (await store.head(first)).etag == (await store.head(second)).etag
    video = tmp_path / "pulled.mp4"
    await store.get(first, video)
    assert abs((await measured(["-i", str(video)], [], tmp_path)).integrated - -14) < 1
    assert 0 <= len(heard(video)) - 9 * RATE < 1024


async def test_music_ends_with_a_film_of_fewer_pictures(
    web: Web, links: list[str], store: MemoryStore, context_for: Callable[..., Context], tmp_path: Path
) -> None:
    music = web.add("/music", sound(tmp_path / "one.mp3").read_bytes(), "audio/mpeg")
    wanted = job(music, links[0], web.link("/none.jpg"), links[1], on_missing=OnMissing.SKIP)
    address = (await make_video(wanted, context_for(), store)).partition(" ")[0]
    video = tmp_path / "pulled.mp4"
    await store.get(address, video)
    samples = np.abs(heard(video))
    assert 0 <= len(samples) - 6 * RATE < 1024
    assert samples[-RATE // 20 :].max() < samples[3 * RATE : 4 * RATE].max() / 10


async def test_missing_music_fails_the_job_by_name(
    web: Web, links: list[str], store: MemoryStore, context_for: Callable[..., Context]
) -> None:
    page = web.add("/page.mp3?token=secret", b"<!DOCTYPE html><html>sign in</html>")
    context = context_for()
    with pytest.raises(PermanentFailure, match=r"the music can't be used, http://.*/page.mp3\?…: it is a web page"):
        await make_video(job(page, *links), context, store)
    assert [stored async for stored in store.list("")] == []
    assert processes_at(context.scratch) == []
