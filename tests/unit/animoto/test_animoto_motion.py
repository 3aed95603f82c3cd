# ruff: noqa: ASYNC240  (a test has the loop to itself, and its files are small)

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from cloudkon.handler import Context
from cloudkon.instructions.animoto import AnimotoJob, Fit, Motion, Quality, Slide, Transition
from cloudkon.memory import MemoryStore
from images.animoto.motion.camera import Camera, cameras
from images.animoto.motion.moving_renderer import MovingRenderer
from images.animoto.motion.planes import Planes
from images.animoto.timeline.film import Film, NormalisedPicture
from images.animoto.timeline.move import WHOLE, Move
from images.animoto.timeline.plan import Colour, describe_plan, frame_count, plan
from images.animoto.verify.verify import BadVideo, verify
from images.animoto.verify.visual_check import MOVING_SIDE, MovingView, TextThumbnail, check_frames, thumbnail
from images.animoto.video import make_video
from tests.support import picture_corpus as corpus
from tests.support.films import decoded_frames as decoded
from tests.support.films import description, processes_at
from tests.support.sounds import heard, sound
from tests.support.web import Web
from tests.unit.animoto.planes import decoded as planes_in

Waves = npt.NDArray[np.float64]


def slide(transition: Transition = Transition.CUT, seconds: str = "2", motion: Motion = Motion.KENBURNS) -> Slide:
    return Slide(link="https://example.org/1.jpg", seconds=Fraction(seconds), transition=transition, motion=motion)


def film_of(slides: Sequence[Slide], width: int = 320, height: int = 180, fps: int = 15) -> Film:
    return Film.of(AnimotoJob(slides=tuple(slides), fps=fps, width=width, height=height))


async def rendered(
    video: Path,
    slides: Sequence[Slide],
    pictures: Sequence[bytes],
    quality: Quality = Quality.STANDARD,
    size: tuple[int, int] = (320, 180),
) -> Film:
    film = film_of(slides, *size)

    async def shown() -> AsyncIterator[NormalisedPicture]:
        for one, pixels in zip(slides, pictures, strict=True):
            yield NormalisedPicture(one, pixels)

    await MovingRenderer(quality).render(shown(), film, video)
    await checked(video, slides, pictures, size)
    return film


async def checked(
    video: Path, slides: Sequence[Slide], pictures: Sequence[bytes], size: tuple[int, int] = (320, 180)
) -> None:
    """Check a video like a job's."""
    film = film_of(slides, *size)
    keys = await verify(video, film, frame_count(film.fps, slides))
    views = [MovingView(camera, TextThumbnail.of((), film)) for camera in cameras(film, slides)]
    thumbnails = [thumbnail(one, film.canvas, MOVING_SIDE) for one in pictures]
    await check_frames(video, film, list(plan(film.fps, slides)), thumbnails, keys, views)


def scenes(slides: Sequence[Slide]) -> list[bytes]:
    canvas = film_of(slides).canvas
    return [corpus.scenery(seed, canvas.width, canvas.height).tobytes() for seed in range(len(slides))]


# # The camera


@pytest.mark.parametrize("number", range(20))
@pytest.mark.parametrize("seconds", ["0.5", "3", "60"])
def test_camera_stays_within_the_picture_and_moves_gently(number: int, seconds: str) -> None:
    move = Move.of(number, slide(seconds=seconds))
    assert move is not None
    windows = [move.window(done / 100) for done in range(101)]
    for one in windows:
        assert min(one.left, one.top) >= -1e-12
        assert max(one.left, one.top) + one.side <= 1 + 1e-12
        assert one.side >= 0.88 - 1e-12
    for earlier, later in itertools.pairwise(windows):
        # Part of the picture, moved in a hundredth of the time: never a jump, and never a halt.
        steps = [abs(two - one) for one, two in zip(earlier, later, strict=True)]
        assert 0 < max(steps) < float(min(Fraction(12, 100), Fraction(seconds) * 3 / 100)) / 100 * 2
    fastest, slowest = max(map(distance, windows, windows[1:])), distance(windows[0], windows[1])
    assert slowest < 0.6 * fastest


def distance(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return float(np.abs(np.subtract(one, other)).max())


def test_neighbouring_pictures_move_differently() -> None:
    moves = [Move.of(number, slide()) for number in range(30)]
    assert all(one and other and one.way != other.way for one, other in itertools.pairwise(moves))
    standing = Camera.of(3, slide(motion=Motion.NONE), film_of([slide()]), 0)
    assert standing.window(0) == standing.window(1000) == WHOLE


def test_camera_moves_from_before_a_picture_s_time_until_after_it() -> None:
    slides = [slide(Transition.CROSSFADE)] * 3
    film = film_of(slides)
    middle = list(cameras(film, slides))[1]
    assert (middle.begin, middle.end) == (30 - 3.5, 60 + 3.5)
    windows = [middle.window(frame) for frame in range(26, 64)]
    assert len(set(windows)) == len(windows)


def test_plan_describes_the_moves() -> None:
    slides = [slide(Transition.CROSSFADE), slide(), slide(motion=Motion.NONE), slide(seconds="8")]
    assert list(describe_plan(10, slides)) == [
        "    0.000 s  frame      0     18 frames  picture 1, closing in on the upper left, by 6 %",
        "    1.800 s  frame     18      5 frames  crossfade from picture 1 to picture 2",
        "    2.300 s  frame     23     17 frames  picture 2, passing to the right, by 6 %",
        "    4.000 s  frame     40     20 frames  picture 3",
        "    6.000 s  frame     60     80 frames  picture 4, passing to the upper left, by 12 %",
    ]


# # Windows


def wave(x: Waves, y: Waves) -> Waves:
    """A soft pattern, in parts of the picture's width and height."""
    both: Waves = 128 + 50 * np.sin(2 * np.pi * (7 * x + 1.5 * y)) + 50 * np.sin(2 * np.pi * (5 * y - 2 * x))
    return both


@pytest.mark.parametrize(("number", "plane"), [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (1, 2)])
def test_motion_follows_the_plan_to_a_tenth_of_a_pixel(number: int, plane: int) -> None:
    """Measure each frame's displacement by least squares over its pixels, and compare it with the camera's window."""
    film = film_of([slide()] * 5)
    shape = film.canvas
    down, across = np.mgrid[0 : shape.height, 0 : shape.width] + 0.5
    grey = wave(across / shape.width, down / shape.height)
    # Y of grey, Cb of blue, Cr of red.
    flat = np.full_like(grey, 128)
    channels = [[grey] * 3, [flat, flat, grey], [grey, flat, flat]][plane]
    picture = Planes.of(np.stack(channels, axis=-1).round().astype(np.uint8).tobytes(), shape)
    camera = Camera.of(number, slide(), film, 0)
    errors = []
    for frame in range(30):
        seen = np.asarray(picture.seen(camera.window(frame), film)[plane], float)
        errors.append(displacement(seen, camera.window(frame), film, of_colour=plane > 0))
    rms = np.sqrt(np.mean(np.square(errors)))
    assert rms < 0.05
    # Also from frame to frame, where eyes would see a tremble.
    assert np.abs(np.diff(errors, axis=0)).max() < 0.02


def displacement(
    seen: Waves, window: tuple[float, float, float], film: Film, *, of_colour: bool
) -> tuple[float, float]:
    """Return by how many pixels of the plane the frame is off the window, to the right and down."""
    height, width = seen.shape
    down, across = np.mgrid[0:height, 0:width] + 0.5
    if of_colour:
        across -= 0.25  # a colour sample lies on the left one of two pixels
    left, top, side = window
    unseen = 2 / film.width

    def at(right: float, below: float) -> Waves:
        x, y = left + side * (across - right) / width, top + side * (down - below) / height
        return wave(unseen + (1 - 2 * unseen) * x, unseen + (1 - 2 * unseen) * y)

    step = 0.01
    slopes = [(at(step, 0) - at(-step, 0)) / (2 * step), (at(0, step) - at(0, -step)) / (2 * step)]
    amplitude = np.ptp(seen) / np.ptp(at(0, 0))
    wanted = (at(0, 0) - at(0, 0).mean()) * amplitude
    basis = np.stack([slope.ravel() * amplitude for slope in slopes], axis=1)
    found, *_rest = np.linalg.lstsq(basis, (seen - seen.mean() - wanted).ravel(), rcond=None)
    return float(found[0]), float(found[1])


def test_colours_are_limited_range_bt709() -> None:
    film = film_of([slide()])
    for colour, wanted in [
        (corpus.WHITE, (235, 128, 128)),
        (corpus.BLACK, (16, 128, 128)),
        ((255, 0, 0), (63, 102, 240)),
        ((0, 0, 255), (32, 240, 118)),
    ]:
        picture = Planes.of(bytes(colour) * (film.canvas.width * film.canvas.height), film.canvas)
        assert [int(np.asarray(plane).max()) for plane in picture.seen(WHOLE, film)] == list(wanted)
    assert [plane.getpixel((5, 5)) for plane in Planes.flat(Colour.WHITE, film)] == [235, 128, 128]


@pytest.mark.parametrize("size", [(16, 16), (16, 64), (250, 34), (606, 1078)])
def test_windows_exist_for_films_of_any_size(size: tuple[int, int]) -> None:
    film = film_of([slide()], *size)
    picture = Planes.of(bytes(film.canvas.picture_bytes), film.canvas)
    for number, frame in itertools.product(range(10), (0, 15, 29)):
        seen = picture.seen(Camera.of(number, slide(), film, 0).window(frame), film)
        assert [plane.size for plane in seen] == [size, *[(size[0] // 2, size[1] // 2)] * 2]


# Whole films


@pytest.mark.parametrize("transition", Transition)
async def test_moving_film_follows_the_plan(tmp_path: Path, transition: Transition) -> None:
    slides = [slide(transition), slide(transition, motion=Motion.NONE), slide(transition)]
    video = tmp_path / "video.mp4"
    film = await rendered(video, slides, scenes(slides))
    frames = decoded(video, film).astype(int)
    assert len(frames) == 90
    assert np.abs(frames[2] - frames[20]).mean() > 1
    assert np.abs(frames[36] - frames[54]).mean() < 0.6
    with pytest.raises(BadVideo, match="does not show"):
        await checked(video, slides, scenes(slides)[::-1])


@pytest.mark.parametrize("size", [(16, 16), (64, 64), (320, 180), (180, 320)])
async def test_pictures_with_hard_edges_pass_the_visual_check(tmp_path: Path, size: tuple[int, int]) -> None:
    """White fields on black, whose means change the most with the camera's place: flags, posters, bars beside them."""
    slides = [slide(Transition.CROSSFADE)] * 3
    canvas = film_of(slides, *size).canvas
    rows, columns = np.arange(canvas.height) * 4 // canvas.height, np.arange(canvas.width) * 4 // canvas.width
    white = (rows[:, None] + columns) % 2 == 0
    fields = [np.repeat(np.uint8(255) * one[..., None], 3, axis=2).tobytes() for one in (white, ~white, white)]
    video = tmp_path / "video.mp4"
    await rendered(video, slides, fields, size=size)
    with pytest.raises(BadVideo, match="does not show"):
        await checked(video, slides, [fields[1], fields[0], fields[1]], size)


async def test_both_pictures_move_during_a_crossfade(tmp_path: Path) -> None:
    slides = [slide(Transition.CROSSFADE)] * 2
    video = tmp_path / "video.mp4"
    film = await rendered(video, slides, scenes(slides), Quality.BEST)
    frames = planes_in(video, film, "h264")
    one, other = (Planes.of(picture, film.canvas) for picture in scenes(slides))
    first, second = cameras(film, slides)
    for number in range(7):
        at = 27 + number
        old, new = (
            np.asarray(part.seen(camera.window(at), film).luma, float)
            for part, camera in ((one, first), (other, second))
        )
        share = (number + 1) / 8
        assert np.abs(frames[at].luma - (old * (1 - share) + new * share)).mean() < 1.5, number


async def test_same_pictures_make_the_same_bytes_with_video_tags(tmp_path: Path) -> None:
    slides = [slide(Transition.PUSH, "1")] * 3
    videos = [tmp_path / "one.mp4", tmp_path / "two.mp4"]
    for video in videos:
        await rendered(video, slides, scenes(slides))
    assert videos[0].read_bytes() == videos[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.mp4", "two.mp4"]
    said = description(videos[0])
    assert "yuv420p(tv, bt709, progressive), 320x180 [SAR 1:1 DAR 16:9]" in said
    assert "15 fps, 15 tbr" in said


async def test_job_with_motion_music_and_a_fixed_caption(
    web: Web, store: MemoryStore, context_for: Callable[..., Context], tmp_path: Path
) -> None:
    links = [web.add(f"/{seed}.jpg", corpus.encoded(corpus.scenery(seed, 640, 480))) for seed in range(2)]
    music = web.add("/music.mp3", sound(tmp_path / "one.mp3").read_bytes(), "audio/mpeg")
    slides = tuple(
        replace(slide(Transition.CROSSFADE), link=link, fit=Fit.COVER, caption="A caption\nof two lines")
        for link in links
    )
    job = AnimotoJob(slides=slides, fps=15, width=320, height=180, music=music, title="A title")
    context = context_for()
    video = tmp_path / "pulled.mp4"
    await store.get(await make_video(job, context, store), video)
    frames = decoded(video, Film.of(job)).astype(int)
    assert len(frames) == 60
    assert np.abs(frames[2] - frames[20]).mean() > 1
    early, late = (frames[number].min(axis=2) > 225 for number in (2, 20))  # white, as only letters are
    assert early.sum() > 150
    assert (early ^ late).sum() < early.sum() / 5
    assert 0 <= len(heard(video)) - 4 * 48_000 < 1024
    assert processes_at(context.scratch) == []
