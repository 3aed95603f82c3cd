"""Plays rendered videos in Chromium: to their end, at every place that is sought, compared with the plan."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import trio

from cloudkon.handler import Context
from cloudkon.instructions.animoto import Transition, parse_animoto
from cloudkon.log import Log
from cloudkon.memory import MemoryStore
from cloudkon.model import TaskId
from cloudkon.settings import Settings
from images.animoto.timeline.film import Film
from images.animoto.video import make_video
from tests.browser.chromium import Chromium
from tests.browser.slideshows import Slideshow
from tests.support.films import decoded_frames
from tests.support.picture_corpus import Pixels, encoded, scenery
from tests.support.slideshow_jobs import show
from tests.support.sounds import sound
from tests.support.web import Request, Web

SHOWS = {
    transition: Slideshow(show("1", width=640, height=360, transition=transition, frames=15), count=3)
    for transition in Transition
}
MOST_APART = 3.0
"""Of 255: the mean difference between a frame and the plan's, caused by the encoder and a browser's rounding of
colours. The pictures differ from each other by 70 to 80, and a transition's frame from its neighbours by 4 or more."""


@pytest.fixture(scope="session")
def video_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Transition], Path]:
    directory = tmp_path_factory.mktemp("videos")

    def rendered(transition: Transition) -> Path:
        path = directory / f"{transition.value}.mp4"
        if not path.exists():
            trio.run(SHOWS[transition].render, path)
        return path

    return rendered


def serve(web: Web, video: Path) -> str:
    """Serve a video like web servers do, in parts if parts are requested (RFC 9110, 14.2). Return a page that shows
    it."""
    data = video.read_bytes()

    def answer(request: Request) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers["Range"] or "")
        if wanted is None:
            request.reply(200, data, {"Content-Type": "video/mp4", "Accept-Ranges": "bytes"})
            return
        first, last = int(wanted[1]), int(wanted[2] or len(data) - 1)
        where = {"Content-Type": "video/mp4", "Content-Range": f"bytes {first}-{last}/{len(data)}"}
        request.reply(206, data[first : last + 1], where)

    web.answers["/video.mp4"] = answer
    web.add("/favicon.ico", b"", "image/x-icon")
    return web.add("/", b"<!DOCTYPE html><video src='video.mp4' playsinline></video>", "text/html")


def frame_at(chromium: Chromium, fps: int, frame: int) -> tuple[float, Pixels]:
    """Seek to the middle of a frame's time; return the time of the frame that is then shown, and its pixels."""
    shown, link = chromium.run(
        """
        const video = document.querySelector('video');
        if (video.readyState < 2) await new Promise(resolve => video.addEventListener('loadeddata', resolve));
        const presented = new Promise(resolve => video.requestVideoFrameCallback((_now, frame) => resolve(frame)));
        const sought = new Promise(resolve => video.addEventListener('seeked', resolve, {once: true}));
        video.currentTime = given[0];
        await sought;
        const {mediaTime} = await presented;
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
        canvas.getContext('2d').drawImage(video, 0, 0);
        return [mediaTime, canvas.toDataURL('image/png')];
        """,
        (frame + 0.5) / fps,
    )
    return float(shown), chromium.pixels(link)


@pytest.mark.parametrize("transition", list(Transition))
def test_seeking_shows_the_planned_frame(
    chromium: Chromium, web: Web, video_of: Callable[[Transition], Path], transition: Transition
) -> None:
    slideshow = SHOWS[transition]
    chromium.open(serve(web, video_of(transition)))
    # Back and forth: a held picture, the first and the last of its frames, and the beginning, middle and end of a
    # transition, which has 15 frames around frames 30 and 60.
    for frame in (75, 0, 30, 22, 23, 37, 60, 10, 53, 89, 45):
        at, pixels = frame_at(chromium, slideshow.fps, frame)
        assert round(at * slideshow.fps) == frame
        apart = float(np.abs(pixels.astype(int) - slideshow.expected(frame)).mean())
        assert apart <= MOST_APART, f"frame {frame} differs from the plan's by {apart:.1f} of 255"
    assert chromium.read_log().console_errors == []


class Played(NamedTuple):
    """The result of playing a video: where it ended, in seconds, frames, displayed times, and bytes of sound."""

    ended: float
    decoded: int
    corrupted: int
    times: list[float]
    sound: int


def play(chromium: Chromium) -> Played:
    """Play the page's video from its beginning to its end."""
    return Played(
        *chromium.run("""
        const video = document.querySelector('video');
        const times = [];
        const note = (_now, frame) => { times.push(frame.mediaTime); video.requestVideoFrameCallback(note); };
        video.requestVideoFrameCallback(note);
        const ended = new Promise((resolve, reject) => {
            video.onended = () => resolve(video.currentTime);
            video.onerror = () => reject(video.error.message);
        });
        await video.play();
        const at = await ended;
        const {totalVideoFrames, corruptedVideoFrames} = video.getVideoPlaybackQuality();
        return [at, totalVideoFrames, corruptedVideoFrames, times, video.webkitAudioDecodedByteCount];
        """)
    )


def test_video_plays_to_its_end_without_a_broken_frame(
    chromium: Chromium, web: Web, video_of: Callable[[Transition], Path]
) -> None:
    chromium.open(serve(web, video_of(Transition.CROSSFADE)))
    played = play(chromium)
    assert played.ended == pytest.approx(3.0, abs=0.01)
    assert (played.decoded, played.corrupted, played.sound) == (90, 0, 0)
    assert played.times == sorted(played.times), "no frame is shown out of its turn"


def test_moving_pictures_with_music_play_as_in_libavcodec(chromium: Chromium, web: Web, tmp_path: Path) -> None:
    links = [web.add(f"/{seed}.jpg", encoded(scenery(seed, 640, 360))) for seed in range(2)]
    music = web.add("/music.mp3", sound(tmp_path / "music.mp3").read_bytes(), "audio/mpeg")
    options = f"--size 320x180 --fps 15 --motion kenburns --transition crossfade --title Holidays --music {music}"
    job = parse_animoto(f"{options} {' '.join(links)}")
    settings = Settings(allow_private_links=True, bucket="memory")
    scratch = str(tmp_path / "scratch")
    context = Context(TaskId("run-1", 0), 1, "owner", time.time() + 100, scratch, settings, Log("error"))
    video = tmp_path / "video.mp4"

    async def make() -> None:
        store = MemoryStore()
        await store.get(await make_video(job, context, store), video)

    trio.run(make)
    frames = decoded_frames(video, Film.of(job))
    assert len(frames) == 30
    chromium.open(serve(web, video))
    for frame in (20, 3, 15, 29, 0, 14):
        at, pixels = frame_at(chromium, job.fps, frame)
        assert round(at * job.fps) == frame
        assert np.abs(pixels.astype(int) - frames[frame]).mean() <= MOST_APART
    chromium.open(web.link("/"))
    played = play(chromium)
    assert played.ended == pytest.approx(2.0, abs=0.05)
    assert (played.decoded, played.corrupted) == (30, 0)
    assert played.sound > 0
