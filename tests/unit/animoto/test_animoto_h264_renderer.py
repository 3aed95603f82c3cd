# ruff: noqa: ASYNC240  (a test has the loop to itself, and its files are small)

import itertools
import subprocess
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest
import trio
from imageio_ffmpeg import get_ffmpeg_exe

from cloudkon.instructions.animoto import Quality, Transition
from images.animoto.encode.ffmpeg_renderer import FfmpegRenderer
from images.animoto.encode.h264_renderer import H264Renderer, unsupported_reason
from images.animoto.encode.renderer import Renderer
from images.animoto.ffmpeg.ffmpeg_process import Bounds, FfmpegFailed, run_ffmpeg
from images.animoto.mp4.writer import TooLarge
from images.animoto.timeline.film import NormalisedPicture
from images.animoto.verify.verify import BadVideo, verify
from images.animoto.verify.visual_check import check_frames, thumbnail
from tests.support import picture_corpus as corpus
from tests.support.films import decoded_frames, description, processes_at
from tests.support.slideshow_jobs import Show, show
from tests.unit.animoto.planes import DECODERS, computed, decoded, same

BLENDING = [one for one in Transition if one is not Transition.CUT]


def film(
    transition: Transition, frames: int = 7, width: int = 96, height: int = 54, seconds: str = "0.8", fps: int = 25
) -> Show:
    return show(seconds, fps, width, height, transition, frames)


def scenes(shape: Show, count: int) -> list[bytes]:
    return [corpus.scenery(seed, shape.width, shape.height).tobytes() for seed in range(count)]


async def written(tmp_path: Path, shape: Show, pictures: list[bytes], renderer: Renderer | None = None) -> Path:
    video = tmp_path / "video.mp4"
    await (renderer or H264Renderer()).render(shape.stream(pictures), shape.film, video)
    assert [file.name for file in tmp_path.iterdir()] == ["video.mp4"]
    await checked(video, shape, pictures)
    return video


async def checked(video: Path, shape: Show, pictures: list[bytes]) -> list[int]:
    """Check a video like a job's, and return the frames at which players can begin."""
    keys = await verify(video, shape.film, shape.frames(len(pictures)))
    await check_frames(
        video, shape.film, shape.plan(len(pictures)), [thumbnail(one, shape.film) for one in pictures], keys
    )
    return keys


# # Every frame, decoded by two decoders without common code, against arithmetic


async def assert_exact(tmp_path: Path, shape: Show, count: int, quality: Quality = Quality.STANDARD) -> None:
    video = await written(tmp_path, shape, scenes(shape, count), H264Renderer(quality))
    for decoder in DECODERS:
        frames = decoded(video, shape.film, decoder)
        assert len(frames) == shape.frames(count)
        for number, (found, wanted) in enumerate(
            zip(frames, computed(shape.film, shape.plan(count), frames), strict=True)
        ):
            assert same(found, wanted), (number, decoder)


@pytest.mark.parametrize("transition", Transition)
@pytest.mark.parametrize("size", [(96, 54), (320, 180), (250, 34), (16, 16)])
async def test_every_frame_equals_arithmetic_on_the_stills(
    tmp_path: Path, transition: Transition, size: tuple[int, int]
) -> None:
    await assert_exact(tmp_path, film(transition, 7, *size), 4)


@pytest.mark.parametrize("quality", Quality)
async def test_stills_of_every_quality_are_copied_completely(tmp_path: Path, quality: Quality) -> None:
    """CABAC's bytes and CAVLC's bits follow headers of other lengths, also where a picture is inserted again."""
    await assert_exact(tmp_path, film(Transition.CROSSFADE, 7, 320, 180, seconds="9"), 3, quality)


@pytest.mark.parametrize("frames", [1, 2, 3, 18, 62, 63, 126])
async def test_transitions_of_any_length_are_exact(tmp_path: Path, frames: int) -> None:
    """From 63 frames on distances are counted in frames; the longest transitions reach the limit of distances."""
    short = frames < 20
    shape = film(Transition.CROSSFADE, frames, seconds="1" if short else "3", fps=20 if short else 60)
    await assert_exact(tmp_path, shape, 3)


@pytest.mark.parametrize("transition", [Transition.CUT, Transition.CROSSFADE, Transition.FADE_BLACK, Transition.PUSH])
async def test_long_films_keep_their_timing(tmp_path: Path, transition: Transition) -> None:
    """Covers many references, key frames within holds, and pictures without a whole number of frames."""
    await assert_exact(tmp_path, film(transition, 5, 32, 32, seconds="3.03", fps=30), 20)


async def test_picture_held_for_minutes_has_key_frames(tmp_path: Path) -> None:
    shape = film(Transition.CROSSFADE, 5, 320, 180, seconds="300", fps=30)
    noise = [np.random.default_rng(seed).integers(0, 256, (180, 320, 3), np.uint8).tobytes() for seed in (1, 2)]
    video = await written(tmp_path, shape, noise)
    keys = await checked(video, shape, noise)
    assert keys[0] == 0
    assert max(later - earlier for earlier, later in itertools.pairwise(keys)) <= 8 * 30 + 10
    assert len(keys) < 80


# # Appearance


@pytest.mark.parametrize(
    ("transition", "quality"),
    [*((one, Quality.STANDARD) for one in Transition), *((Transition.CROSSFADE, one) for one in Quality)],
)
async def test_written_film_looks_like_one_encoded_frame_by_frame(
    tmp_path: Path, transition: Transition, quality: Quality
) -> None:
    shape = film(transition, 6, 320, 180)
    pictures = scenes(shape, 3)
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()
    ours = decoded_frames(await written(tmp_path / "ours", shape, pictures, H264Renderer(quality)), shape.film)
    theirs = decoded_frames(await written(tmp_path / "theirs", shape, pictures, FfmpegRenderer()), shape.film)
    assert ours.shape == theirs.shape
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        assert np.abs(one.astype(int) - other).mean() < 2.5, number


async def test_written_film_keeps_the_pictures_colours(tmp_path: Path) -> None:
    shape = film(Transition.FADE_WHITE, 8)
    colours = [corpus.RED, corpus.SAND, corpus.BLUE]
    flats = [corpus.flat(colour, shape.width, shape.height).tobytes() for colour in colours]
    frames = decoded_frames(await written(tmp_path, shape, flats), shape.film)
    for number, colour in enumerate(colours):
        assert corpus.near(frames[number * 20 + 8], np.broadcast_to(colour, (54, 96, 3)), 4)
    assert corpus.near(frames[20], np.broadcast_to(corpus.WHITE, (54, 96, 3)), 3)


@pytest.mark.parametrize("transition", Transition)
async def test_written_film_describes_itself_to_players(tmp_path: Path, transition: Transition) -> None:
    said = description(await written(tmp_path, film(transition), scenes(film(transition), 3)))
    assert "Video: h264 (High) (avc1" in said
    assert "yuv420p(tv, bt709, progressive), 96x54 [SAR 1:1 DAR 16:9]" in said
    assert "25 fps, 25 tbr, 12800 tbn" in said
    assert "Duration: 00:00:02.40, start: 0.000000" in said


@pytest.mark.parametrize("transition", [Transition.CROSSFADE, Transition.WIPE])
async def test_ffmpeg_parser_reads_the_same_syntax(tmp_path: Path, transition: Transition) -> None:
    """ffmpeg's trace_headers reads every field of every header, and refuses what the standard does not allow."""
    shape = film(transition, 4, seconds="0.4")
    video = await written(tmp_path, shape, scenes(shape, 3))
    said = subprocess.run(  # noqa: ASYNC221  (a test has the loop to itself)
        [get_ffmpeg_exe(), "-v", "info", "-i", video, "-c", "copy", "-bsf:v", "trace_headers", "-f", "null", "-"],
        check=True,
        capture_output=True,
        text=True,
    ).stderr
    lines = [line.split("] ", 1)[1].split() for line in said.splitlines() if "trace_headers" in line and " = " in line]
    fields = Counter((words[1], words[-1]) for words in lines)
    # 30 frames: 3 stills, the small third of which is inserted again as a key; 2 x 4 between them; 18 that repeat. 5 is
    # P, 6 B and 7 I (table 7-6).
    slices = {kind: count for (name, kind), count in fields.items() if name == "slice_type"}
    assert slices == {"7": 4, "6": 8, "5": 18}
    assert fields["weighted_bipred_idc", "2"] >= 1
    assert fields["max_num_reorder_frames", "1"] >= 1
    assert fields["video_full_range_flag", "0"] >= 1
    assert fields["colour_primaries", "1"] >= 1


# Bytes


async def test_same_pictures_make_the_same_bytes(tmp_path: Path) -> None:
    shape = film(Transition.PUSH, width=320, height=180)
    first = (await written(tmp_path, shape, scenes(shape, 5))).read_bytes()
    assert (await written(tmp_path, shape, scenes(shape, 5))).read_bytes() == first


@pytest.mark.parametrize("transition", [Transition.CUT, Transition.CROSSFADE, Transition.FADE_WHITE])
async def test_repeated_picture_is_encoded_once(
    tmp_path: Path, transition: Transition, monkeypatch: pytest.MonkeyPatch
) -> None:
    coded = 0
    shape = film(transition, width=320, height=180)
    a, b, c = scenes(shape, 3)
    pictures = [a, a, b, a, c, b, b, c, a] + [a] * 12
    encode = run_ffmpeg

    async def counting(arguments: list[str], **options: object) -> None:
        async def counted(feed: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
            nonlocal coded
            async for picture in feed:
                coded += 1
                yield picture

        async with aclosing(counted(options.pop("feed"))) as feed:  # type: ignore[arg-type]  # the pictures
            await encode(arguments, feed=feed, **options)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr("images.animoto.encode.stills.run_ffmpeg", counting)
    frames = decoded_frames(await written(tmp_path, shape, pictures), shape.film)
    assert coded == 3 + (transition is Transition.FADE_WHITE)
    for number, picture in enumerate(pictures):
        shown = frames[number * 20 + 10]
        wanted = corpus.as_pixels(picture, 320, 180)
        assert np.abs(shown.astype(int) - wanted).mean() < 2, number


async def test_frames_between_pictures_take_few_bytes(tmp_path: Path) -> None:
    noise = [np.random.default_rng(seed).integers(0, 256, (180, 320, 3), np.uint8).tobytes() for seed in range(3)]
    sizes = {}
    for transition in Transition:
        shape = film(transition, 10, 320, 180, seconds="2", fps=30)
        sizes[transition] = (await written(tmp_path, shape, noise)).stat().st_size
    assert sizes[Transition.CUT] > 100_000
    for transition in BLENDING:
        assert sizes[transition] - sizes[Transition.CUT] < 3_000, transition


# # Limits and failures


async def test_encoder_is_killed_on_timeout(tmp_path: Path) -> None:
    shape = film(Transition.CROSSFADE, width=320, height=180)

    async def endless() -> AsyncGenerator[NormalisedPicture, None]:
        for seed in range(10_000):
            yield NormalisedPicture(shape.slide, corpus.scenery(seed, 320, 180).tobytes())

    async with aclosing(endless()) as pictures:
        with trio.fail_after(120), trio.move_on_after(0.5) as scope:
            await H264Renderer().render(pictures, shape.film, tmp_path / "video.mp4")
    assert scope.cancelled_caught
    assert processes_at(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


async def test_error_of_the_pictures_propagates(tmp_path: Path) -> None:
    shape = film(Transition.WIPE)

    async def failing() -> AsyncIterator[NormalisedPicture]:
        yield NormalisedPicture(shape.slide, scenes(shape, 1)[0])
        raise ZeroDivisionError("the album's own error")

    with pytest.raises(ZeroDivisionError, match="the album's own error"):
        await H264Renderer().render(failing(), shape.film, tmp_path / "video.mp4")
    assert processes_at(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


async def test_encoder_is_limited_in_disk_and_memory(tmp_path: Path) -> None:
    shape = film(Transition.CUT, width=320, height=180)
    noise = [np.random.default_rng(seed).integers(0, 256, (180, 320, 3), np.uint8).tobytes() for seed in range(10)]
    with pytest.raises(TooLarge, match="more than 100,000 bytes"):
        await H264Renderer(bounds=Bounds(file_bytes=100_000)).render(
            shape.stream(noise), shape.film, tmp_path / "video.mp4"
        )
    with pytest.raises(FfmpegFailed):
        await H264Renderer(bounds=Bounds(memory_bytes=100_000_000)).render(
            shape.stream(noise), shape.film, tmp_path / "video.mp4"
        )
    assert list(tmp_path.iterdir()) == []


async def test_early_success_of_ffmpeg_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nexec cat > /dev/null\n")
    program.chmod(0o700)
    monkeypatch.setattr("images.animoto.ffmpeg.ffmpeg_process.get_ffmpeg_exe", lambda: str(program))
    shape = film(Transition.CUT)
    with pytest.raises(FfmpegFailed, match="ended early without an error"):
        await H264Renderer().render(shape.stream(scenes(shape, 3)), shape.film, tmp_path / "video.mp4")


def test_film_that_cannot_be_written_has_a_reason() -> None:
    assert unsupported_reason(film(Transition.PUSH, width=2048).film) == ""
    assert (
        unsupported_reason(film(Transition.PUSH, width=2050).film) == "a push can move pictures by 2048 pixels at most"
    )
    assert all(unsupported_reason(film(one, width=4096).film) == "" for one in Transition if one is not Transition.PUSH)


async def test_widest_push_is_exact(tmp_path: Path) -> None:
    await assert_exact(tmp_path, film(Transition.PUSH, 11, 2048, 32), 2)


# # Visual check


@pytest.mark.parametrize("transition", Transition)
async def test_film_of_other_pictures_or_in_another_order_is_refused(tmp_path: Path, transition: Transition) -> None:
    shape = film(transition)
    video = await written(tmp_path, shape, scenes(shape, 4))
    one, two, three, four = scenes(shape, 4)
    with pytest.raises(BadVideo, match="does not show"):
        await checked(video, shape, [four, three, two, one])
    with pytest.raises(BadVideo, match="does not show picture 1"):
        await checked(video, shape, [two, two, three, four])


async def test_film_with_another_transition_is_refused(tmp_path: Path) -> None:
    shape = film(Transition.FADE_BLACK, 8)
    pictures = scenes(shape, 2)
    video = await written(tmp_path, shape, pictures)
    with pytest.raises(BadVideo, match="does not show crossfade from picture 1 to picture 2"):
        await checked(video, film(Transition.CROSSFADE, 8), pictures)
