# ruff: noqa: ASYNC240  (a test has the loop to itself, and its files are small)

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import trio

from images.animoto.encode.ffmpeg_renderer import FfmpegRenderer
from images.animoto.ffmpeg.ffmpeg_process import Bounds, FfmpegFailed, run_ffmpeg
from images.animoto.timeline.film import NormalisedPicture
from images.animoto.verify.verify import BadVideo, verify
from tests.support import picture_corpus as corpus
from tests.support.films import decoded_frames, description, processes_at
from tests.support.patience import until
from tests.support.slideshow_jobs import Show, show
from tests.support.web import Web

COLOURS = [corpus.RED, corpus.GREEN, corpus.BLUE, corpus.GREY, corpus.WHITE, corpus.BLACK, corpus.SAND]


def flats(shape: Show, count: int) -> list[bytes]:
    return [corpus.flat(COLOURS[one % len(COLOURS)], shape.width, shape.height).tobytes() for one in range(count)]


async def rendered(tmp_path: Path, shape: Show, pictures: list[bytes]) -> Path:
    video = tmp_path / "video.mp4"
    await FfmpegRenderer().render(shape.stream(pictures), shape.film, video)
    return video


@pytest.mark.parametrize(
    ("seconds", "fps", "count"),
    [
        ("1", 30, 1),
        ("1", 30, 3),
        ("0.5", 30, 7),
        ("2.5", 24, 3),
        ("0.05", 30, 2),
        ("0.05", 30, 7),  # a frame and a half each
        ("0.333", 30, 7),
        ("0.333", 25, 4),
        ("0.034", 30, 7),
        ("1.017", 60, 2),
        ("0.009", 120, 7),
        ("5", 1, 3),
        ("1.5", 1, 5),
    ],
)
async def test_every_frame_shows_the_picture_of_its_time(tmp_path: Path, seconds: str, fps: int, count: int) -> None:
    shape = show(seconds, fps)
    video = await rendered(tmp_path, shape, flats(shape, count))
    await verify(video, shape.film, shape.frames(count))
    frames = decoded_frames(video, shape.film)
    assert len(frames) == int(count * Fraction(seconds) * fps + Fraction(1, 2))
    for number, frame in enumerate(frames):
        # The picture whose time is nearest to the frame's begin, computed without the film's own arithmetic.
        begins = [int(one * Fraction(seconds) * fps * 2 + 1) // 2 for one in range(count)]
        picture = max(one for one in range(count) if begins[one] <= number)
        assert corpus.near(frame, np.broadcast_to(COLOURS[picture % len(COLOURS)], frame.shape), 3), (number, picture)


async def test_encoded_pictures_look_like_the_originals(tmp_path: Path) -> None:
    shape = show("0.2", width=320, height=180)
    pictures = [np.asarray(corpus.scenery(seed, 320, 180)) for seed in range(4)]
    frames = decoded_frames(await rendered(tmp_path, shape, [one.tobytes() for one in pictures]), shape.film)
    assert len(frames) == 24
    for number, frame in enumerate(frames):
        difference = np.abs(frame.astype(int) - pictures[number // 6])
        assert difference.mean() < 2
        assert np.abs(frame.mean(axis=(0, 1)) - pictures[number // 6].mean(axis=(0, 1))).max() < 1


@pytest.mark.parametrize("size", [(16, 16), (4096, 16), (16, 4096), (1078, 606)])
async def test_every_even_size_is_rendered(tmp_path: Path, size: tuple[int, int]) -> None:
    shape = show("0.1", 30, *size)
    video = await rendered(tmp_path, shape, flats(shape, 2))
    await verify(video, shape.film, shape.frames(2))
    assert corpus.near(decoded_frames(video, shape.film)[4], np.broadcast_to(corpus.GREEN, (size[1], size[0], 3)), 3)


async def test_encoded_video_is_tagged_with_colours_rate_and_shape(tmp_path: Path) -> None:
    shape = show("0.5")
    said = description(await rendered(tmp_path, shape, flats(shape, 2)))
    assert "Video: h264" in said
    assert "yuv420p(tv, bt709, progressive), 96x54 [SAR 1:1 DAR 16:9]" in said
    assert "30 fps, 30 tbr" in said
    assert "Duration: 00:00:01.00" in said


async def test_same_pictures_make_the_same_bytes(tmp_path: Path) -> None:
    shape = show("0.5", width=320, height=180)
    pictures = [corpus.scenery(seed, 320, 180).tobytes() for seed in range(3)]
    assert (await rendered(tmp_path, shape, pictures)).read_bytes() == (
        await rendered(tmp_path, shape, pictures)
    ).read_bytes()


# # Verification


async def test_video_of_another_film_is_refused(tmp_path: Path) -> None:
    shape = show("0.5")
    video = await rendered(tmp_path, shape, flats(shape, 3))
    await verify(video, shape.film, shape.frames(3))
    with pytest.raises(BadVideo, match="has 45 frames, not 60"):
        await verify(video, shape.film, shape.frames(4))
    with pytest.raises(BadVideo, match="has 45 frames, not 30"):
        await verify(video, shape.film, shape.frames(2))
    with pytest.raises(BadVideo, match="does not have 15 frames a second"):
        await verify(video, show("1", 15).film, 45)
    with pytest.raises(BadVideo, match="has 96x54 pixels, not 54x96"):
        await verify(video, show("0.5", 30, 54, 96).film, 45)


async def test_variable_rate_or_late_index_is_refused(tmp_path: Path) -> None:
    shape = show("0.5")
    whole = await rendered(tmp_path, shape, flats(shape, 2))
    slow, late = tmp_path / "slow.mp4", tmp_path / "late.mp4"
    copy = ["-i", str(whole), "-c", "copy"]
    await run_ffmpeg([*copy, str(late)], directory=tmp_path)
    with pytest.raises(BadVideo, match="mdat, moov"):
        await verify(late, shape.film, shape.frames(2))
    # Later by one frame from the tenth on: the same number of frames, with a gap.
    shifted = ["-bsf:v", "setts=ts=if(gt(N\\,9)\\,TS+512\\,TS):duration=512", "-movflags", "+faststart"]
    await run_ffmpeg([*copy, *shifted, str(slow)], directory=tmp_path)
    with pytest.raises(BadVideo, match="not right"):
        await verify(slow, shape.film, shape.frames(2))


async def test_file_that_is_not_a_video_is_refused(tmp_path: Path) -> None:
    video = corpus.saved(tmp_path / "video.mp4", b"nothing like it")
    with pytest.raises(FfmpegFailed, match="Invalid data"):
        await verify(video, show().film, 30)


# # Isolation of ffmpeg


async def endless(shape: Show) -> AsyncGenerator[NormalisedPicture, None]:
    for picture in flats(shape, 7) * 10_000:
        yield NormalisedPicture(shape.slide, picture)


async def test_ffmpeg_is_killed_on_timeout(tmp_path: Path) -> None:
    shape = show("60", width=320, height=180)
    async with aclosing(endless(shape)) as pictures:
        with trio.fail_after(120), trio.move_on_after(1) as scope:
            await FfmpegRenderer().render(pictures, shape.film, tmp_path / "video.mp4")
    assert scope.cancelled_caught
    assert processes_at(tmp_path) == []


async def test_ffmpeg_is_killed_when_its_pictures_fail(tmp_path: Path) -> None:
    async def failing() -> AsyncIterator[NormalisedPicture]:
        yield NormalisedPicture(show().slide, flats(show(), 1)[0])
        raise ZeroDivisionError("the album's own error")

    with pytest.raises(ZeroDivisionError, match="the album's own error"):
        await FfmpegRenderer().render(failing(), show().film, tmp_path / "video.mp4")
    assert processes_at(tmp_path) == []


async def test_error_output_of_ffmpeg_is_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(FfmpegFailed, match=r"ended with status \d+: .*No such file"):
        await run_ffmpeg(["-i", str(tmp_path / "none.mp4"), "-f", "null", "-"], directory=tmp_path)


async def test_early_end_of_ffmpeg_does_not_wait_for_pictures(tmp_path: Path) -> None:
    still_coming, never = trio.open_memory_channel[bytes](0)
    arguments = ["-i", str(tmp_path / "none.mp4"), "-f", "null", "-"]
    with trio.fail_after(120), pytest.raises(FfmpegFailed), still_coming, never:
        await run_ffmpeg(arguments, directory=tmp_path, feed=never)


async def test_ffmpeg_is_limited_in_file_size(tmp_path: Path) -> None:
    renderer = FfmpegRenderer(bounds=Bounds(file_bytes=20_000))
    shape = show("0.1", width=320, height=180)
    noise = [np.random.default_rng(seed).integers(0, 256, (180, 320, 3), np.uint8).tobytes() for seed in range(10)]
    with pytest.raises(FfmpegFailed, match=r"SIGXFSZ|File too large"):
        await renderer.render(shape.stream(noise), shape.film, tmp_path / "video.mp4")
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 20_000


async def test_ffmpeg_gets_no_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("FFREPORT", f"file={tmp_path}/report.txt")
    await run_ffmpeg(["-f", "lavfi", "-i", "color=size=16x16:duration=0.1", "-f", "null", "-"], directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{link}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{link}'\n",
    ],
)
async def test_ffmpeg_opens_nothing_over_the_network(tmp_path: Path, web: Web, playlist: str) -> None:
    link = web.add("/one.ts", b"not to be asked for")
    video = corpus.saved(tmp_path / "video.mp4", playlist.format(link=link).encode())
    with pytest.raises(FfmpegFailed):
        await verify(video, show().film, 30)
    assert web.requests == []


ORPHAN = """
import sys
from pathlib import Path
import trio
from images.animoto.ffmpeg.ffmpeg_process import run_ffmpeg

async def take(_piece):
    print("begun", flush=True)
    await trio.sleep_forever()

async def main():
    await run_ffmpeg(sys.argv[2:], directory=Path(sys.argv[1]), on_output=take)

trio.run(main)
"""


@pytest.mark.parametrize("output", ["-", "video.nut"])
def test_ffmpeg_is_killed_with_its_parent_process(tmp_path: Path, output: str) -> None:
    """It may write to a pipe, which ends with that process, or to a file, without reading its input."""
    root = Path(__file__).parents[3]
    told = ["-re", "-f", "lavfi", "-i", "color=duration=36000", "-c:v", "rawvideo", "-f", "nut", "-y", output]
    told += ["-frames:v", "1", "-f", "framecrc", "-"] if output != "-" else []
    slot = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, tmp_path, *told], cwd=root, stdout=subprocess.PIPE, text=True
    )
    try:
        assert slot.stdout is not None
        assert slot.stdout.readline() == "begun\n"
        slot.stdout.close()
        started = [pid for pid in processes_at(tmp_path) if pid != slot.pid]
        assert started
    finally:
        os.kill(slot.pid, signal.SIGKILL)
        slot.wait()
    until(lambda: not processes_at(tmp_path), "its end")
