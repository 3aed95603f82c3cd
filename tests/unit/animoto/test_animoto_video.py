import json
import pickle
import random
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from PIL import Image

from cloudkon.backoff import Backoff
from cloudkon.errors import AccessDenied, CloudKonError, PermanentFailure, Throttled
from cloudkon.handler import PROGRESS_FILE, Context
from cloudkon.instructions.animoto import AnimotoJob, Fit, OnMissing, Slide, Transition
from cloudkon.memory import MemoryStore
from cloudkon.ports import StoredObject
from images.animoto.concurrency.in_order import in_order
from images.animoto.encode.h264_renderer import H264Renderer
from images.animoto.encode.renderer import Music
from images.animoto.fetch.fetch import Fetcher, Limits
from images.animoto.pictures.missing import MissingPicture, Outlook, display_link, missing_failure, missing_note
from images.animoto.timeline.film import Film, NormalisedPicture
from images.animoto.video import make_video
from tests.support import picture_corpus as corpus
from tests.support.films import decoded_frames, processes_at
from tests.support.picture_corpus import BLACK, BLUE, GREEN, RED, SAND, encoded, near
from tests.support.web import Web

FILM = Film(320, 180, 30)
SECONDS = Fraction("0.2")
FRAMES = 6
"""A picture."""


def job(*links: str, fit: Fit = Fit.CONTAIN, on_missing: OnMissing = OnMissing.FAIL) -> AnimotoJob:
    return AnimotoJob(
        slides=tuple(Slide(link=link, seconds=SECONDS, fit=fit) for link in links),
        fps=FILM.fps,
        width=FILM.width,
        height=FILM.height,
        on_missing=on_missing,
    )


def slid(wanted: AnimotoJob, **settings: Any) -> AnimotoJob:  # noqa: ANN401  (a slide's fields, of many types)
    """Return the job with these settings for all its pictures."""
    return replace(wanted, slides=tuple(replace(slide, **settings) for slide in wanted.slides))


@pytest.fixture
def context(context_for: Callable[..., Context], tmp_path: Path) -> Context:
    return context_for()


@pytest.fixture
def fetcher(context: Context, store: MemoryStore) -> Fetcher:
    return Fetcher(context.settings, store, Limits(attempts=2, first_wait=0.01))


def assert_nothing_left(context: Context) -> None:
    """Only the progress file, which the worker reads, may be left."""
    assert [entry.name for entry in context.scratch_directory().iterdir() if entry.name != PROGRESS_FILE] == []
    assert processes_at(context.scratch) == []


def assert_crosses_from_a_slot_process(error: BaseException) -> None:
    """Pickle the error with its chain; a circle in the chain would break that."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None:
            assert one not in seen
            seen.append(one)
            assert str(pickle.loads(pickle.dumps(one))) == str(one)
            waiting += [one.__cause__] if one.__cause__ else [one.__context__]
            waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else []


async def frames_at(address: str, store: MemoryStore, tmp_path: Path) -> corpus.Pixels:
    video = tmp_path / "pulled.mp4"
    await store.get(address, video)
    return decoded_frames(video, FILM)


async def everything_in(store: MemoryStore) -> list[str]:
    return [stored.address async for stored in store.list("")]


async def test_pictures_of_all_kinds_are_shown_in_their_time(
    web: Web, store: MemoryStore, context: Context, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    in_store = await store.put("pictures/four.heic", encoded(corpus.flat(SAND, 64, 36), "HEIF"), "image/heic", {})
    links = [
        web.add("/one.jpg", encoded(corpus.flat(RED, 640, 360))),
        web.add("/two.gif", encoded(corpus.flat(GREEN, 33, 99), "PNG"), "image/gif"),
        web.add("/three", encoded(corpus.quarters(90, 160), exif=exif), "text/plain"),
        in_store.address,
        web.add("/five.webp", encoded(corpus.scenery(5, 501, 301), "WEBP", lossless=True)),
    ]
    address = await make_video(job(*links), context, store)
    assert address == "s3://memory/videos/run-1/7.owner-1.mp4"
    frames = await frames_at(address, store, tmp_path)
    assert len(frames) == 5 * FRAMES
    scenery = np.asarray(corpus.scenery(5, 501, 301).resize((299, 180), Image.Resampling.LANCZOS))
    for number in range(FRAMES):
        assert near(frames[number], np.broadcast_to(RED, (180, 320, 3)), 4)
        second = frames[FRAMES + number]
        assert near(second[:, 135:185], np.broadcast_to(GREEN, (180, 50, 3)), 4)
        assert near(second[:, :120], np.zeros((180, 120, 3)), 4)
        third = frames[2 * FRAMES + number]
        assert near([third[45, 80], third[45, 240], third[135, 80], third[135, 240]], [BLUE, RED, SAND, GREEN], 6)
        assert near(frames[3 * FRAMES + number][90, 160], SAND, 4)
        fifth = frames[4 * FRAMES + number][:, 10:309].astype(int)
        assert np.abs(fifth - scenery).mean() < 3
    assert_nothing_left(context)


async def test_cover_leaves_no_bars(web: Web, store: MemoryStore, context: Context, tmp_path: Path) -> None:
    link = web.add("/one.png", encoded(corpus.flat(SAND, 50, 200), "PNG"))
    frames = await frames_at(await make_video(job(link, fit=Fit.COVER), context, store), store, tmp_path)
    assert near(frames[0], np.broadcast_to(SAND, (180, 320, 3)), 4)


@pytest.mark.parametrize("transition", [one for one in Transition if one is not Transition.CUT])
async def test_transitions_of_a_job_are_shown(
    web: Web, store: MemoryStore, context: Context, tmp_path: Path, transition: Transition
) -> None:
    links = [web.add(f"/{number}.png", encoded(corpus.flat(one), "PNG")) for number, one in enumerate([RED, BLUE])]
    wanted = slid(job(*links), seconds=Fraction(1), transition=transition, transition_seconds=Fraction(1, 3))
    frames = await frames_at(await make_video(wanted, context, store), store, tmp_path)
    assert len(frames) == 60
    for number, colour in [(0, RED), (24, RED), (35, BLUE), (59, BLUE)]:
        assert near(frames[number], np.broadcast_to(colour, (180, 320, 3)), 4)
    for number in range(25, 35):
        assert not near(frames[number], np.broadcast_to(RED, (180, 320, 3)), 8)
        assert not near(frames[number], np.broadcast_to(BLUE, (180, 320, 3)), 8)


async def test_wrong_video_is_logged_and_encoded_by_ffmpeg(
    web: Web, store: MemoryStore, context: Context, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Wrong(H264Renderer):
        async def render(
            self, pictures: AsyncIterable[NormalisedPicture], film: Film, video: Path, music: Music | None = None
        ) -> None:
            async def swapped() -> AsyncIterator[NormalisedPicture]:
                for picture in [one async for one in pictures][::-1]:
                    yield picture

            await super().render(swapped(), film, video, music)

    links = [web.add(f"/{number}.png", encoded(corpus.flat(one), "PNG")) for number, one in enumerate([RED, BLUE])]
    frames = await frames_at(await make_video(job(*links), context, store, Wrong()), store, tmp_path)
    assert near(frames[0], np.broadcast_to(RED, (180, 320, 3)), 4)
    said = json.loads(capfd.readouterr().err.splitlines()[0])
    assert said["level"] == "error"
    assert said["why"].startswith("frame 0 does not show picture 1")
    assert_nothing_left(context)


async def test_film_that_cannot_be_written_is_encoded(
    web: Web, context: Context, store: MemoryStore, tmp_path: Path
) -> None:
    links = [web.add(f"/{number}.png", encoded(corpus.flat(one), "PNG")) for number, one in enumerate([RED, BLUE])]
    wide = replace(job(*links, fit=Fit.COVER), width=2064, height=16)
    wide = slid(wide, seconds=Fraction(1, 2), transition=Transition.PUSH)
    shape = Film.of(wide)
    video = tmp_path / "video.mp4"
    await store.get(await make_video(wide, context, store), video)
    frames = decoded_frames(video, shape)
    assert near(frames[0], np.broadcast_to(RED, frames[0].shape), 4)
    assert near(frames[-1], np.broadcast_to(BLUE, frames[0].shape), 4)
    assert shape.longest_transition == 7
    half = frames[15][8]
    assert near(half[10], RED, 4)
    assert near(half[-10], BLUE, 4)


async def test_links_keep_their_order_whatever_order_they_arrive_in(
    web: Web, store: MemoryStore, context: Context, tmp_path: Path
) -> None:
    chance = random.Random(3)
    links = []
    for number in range(24):
        colour = (number * 10, 255 - number * 10, 128)
        data = encoded(corpus.flat(colour), "PNG")
        pause = chance.choice([0, 0, 0.05, 0.2])
        path = f"/{number}.png"

        def answer(request: object, data: bytes = data, pause: float = pause) -> None:
            web.stopping.wait(pause)
            request.reply(200, data)  # type: ignore[attr-defined]  # a Request

        web.answers[path] = answer
        links.append(web.link(path))
    frames = await frames_at(await make_video(job(*links), context, store), store, tmp_path)
    assert len(frames) == 24 * FRAMES
    for number in range(24):
        assert near(frames[number * FRAMES + 3][90, 160], (number * 10, 255 - number * 10, 128), 4)


async def test_same_job_makes_the_same_bytes_and_overwrites_no_other_owner_s(
    web: Web, store: MemoryStore, context_for: Callable[..., Context], tmp_path: Path
) -> None:
    links = [web.add(f"/{seed}.jpg", encoded(corpus.scenery(seed, 400, 300))) for seed in range(3)]
    first = await make_video(job(*links), context_for(token="first"), store)
    second = await make_video(job(*links), context_for(token="second"), store)
    assert (first, second) == ("s3://memory/videos/run-1/7.first.mp4", "s3://memory/videos/run-1/7.second.mp4")
    assert (await store.head(first)).etag == (await store.head(second)).etag


async def test_poster_and_facts_are_stored_beside_the_video(web: Web, context: Context, tmp_path: Path) -> None:
    facts_seen: dict[str, Mapping[str, str]] = {}

    class Noting(MemoryStore):
        async def put(self, key: str, source: Path | bytes, media_type: str, facts: Mapping[str, str]) -> StoredObject:
            facts_seen[f"{key} {media_type}"] = facts
            return await super().put(key, source, media_type, facts)

    store = Noting()
    links = [web.add("/1.jpg", encoded(corpus.quarters(320, 180))), web.add("/2.jpg", encoded(corpus.flat(BLACK)))]
    await make_video(job(*links), context, store)
    assert list(facts_seen) == ["videos/run-1/7.owner-1.jpg image/jpeg", "videos/run-1/7.owner-1.mp4 video/mp4"]
    assert facts_seen["videos/run-1/7.owner-1.mp4 video/mp4"] == {
        "pictures": "2",
        "missing": "0",
        "seconds": "0.4",
        "fps": "30",
        "size": "320x180",
        "renderer": "written-x264-veryfast-crf13",
    }
    poster = tmp_path / "poster.jpg"
    await store.get("s3://memory/videos/run-1/7.owner-1.jpg", poster)
    with Image.open(poster) as opened:
        assert opened.size == (320, 180)
        assert near(np.asarray(opened)[[45, 45, 135, 135], [80, 240, 80, 240]], [RED, GREEN, BLUE, SAND], 6)


async def test_poster_shows_the_requested_second_and_is_in_the_output(
    web: Web, store: MemoryStore, context: Context, tmp_path: Path
) -> None:
    links = [web.add(f"/{number}.png", encoded(corpus.flat(one), "PNG")) for number, one in enumerate([RED, BLUE])]
    wanted = replace(job(*links, web.link("/none.jpg"), on_missing=OnMissing.SKIP), poster=Fraction("0.2"))
    poster = tmp_path / "poster.jpg"
    # The last job asks for a second that the video would only have with all its pictures.
    for second, colour in [("0", RED), ("0.19", RED), ("0.2", BLUE), ("0.59", BLUE)]:
        output = await make_video(replace(wanted, poster=Fraction(second)), context, store)
        video, still, said = output.split(" ", 2)
        assert (video, still) == ("s3://memory/videos/run-1/7.owner-1.mp4", "s3://memory/videos/run-1/7.owner-1.jpg")
        assert said.startswith("(1 of 3 pictures missing")
        await store.get(still, poster)
        with Image.open(poster) as opened:
            assert near(np.asarray(opened), np.broadcast_to(colour, (180, 320, 3)), 6), second


async def test_captions_are_on_their_pictures_and_the_title_on_the_first(
    web: Web, store: MemoryStore, context: Context, tmp_path: Path
) -> None:
    links = [web.add(f"/{number}.png", encoded(corpus.flat(one), "PNG")) for number, one in enumerate([RED, BLUE])]
    wanted = replace(job(web.link("/none.jpg"), *links, on_missing=OnMissing.SKIP), title="Our summer")
    slides = [replace(slide, caption=said) for slide, said in zip(wanted.slides, ["Gone", "", "The lake"], strict=True)]
    output = await make_video(replace(wanted, slides=tuple(slides)), context, store)
    frames = await frames_at(output.split(" ")[0], store, tmp_path)
    title, caption = (slice(75, 105), slice(90, 230)), (slice(155, 175), slice(130, 190))
    white = [[int((frame[place] > 180).all(axis=2).sum()) > 8 for place in (title, caption)] for frame in frames]
    assert white == [[True, False]] * FRAMES + [[False, True]] * FRAMES
    assert near(frames[0][10, 10], RED, 4)
    assert near(frames[-1][10, 10], BLUE, 4)


async def test_progress_is_reported(web: Web, store: MemoryStore, context: Context) -> None:
    links = [web.add(f"/{seed}.jpg", encoded(corpus.scenery(seed, 40, 30))) for seed in range(3)]
    await make_video(job(*links), context, store)
    said = json.loads((context.scratch / PROGRESS_FILE).read_text())
    assert (said["fraction"], said["note"]) == (0.95, "storing the video")


# Missing pictures


def add_bad(web: Web) -> list[str]:
    """One good picture, and three bad ones."""
    whole = encoded(corpus.scenery(1, 400, 300))
    return [
        web.add("/good.jpg", encoded(corpus.flat(RED))),
        web.link("/none.jpg"),
        web.add("/half.jpg", whole[: len(whole) // 2]),
        web.add("/page.jpg?token=secret", b"<!DOCTYPE html><html>no</html>"),
    ]


async def test_failed_job_names_each_picture_and_its_reason(web: Web, store: MemoryStore, context: Context) -> None:
    with pytest.raises(PermanentFailure) as caught:
        await make_video(job(*add_bad(web)), context, store)
    assert_crosses_from_a_slot_process(caught.value)
    said = str(caught.value)
    assert said.startswith("3 of 4 pictures can't be used: picture 2, ")
    assert "/none.jpg: nothing is there (HTTP 404); picture 3, " in said
    assert "/half.jpg: it is a damaged JPEG (" in said
    assert "/page.jpg?…: it is a web page; " in said
    assert "secret" not in said
    assert await everything_in(store) == []
    assert_nothing_left(context)


async def test_skip_shows_the_other_pictures_and_names_the_missing(
    web: Web, store: MemoryStore, context: Context, tmp_path: Path
) -> None:
    links = [*add_bad(web), web.add("/last.jpg", encoded(corpus.flat(BLUE, 320, 180)))]
    output = await make_video(job(*links, on_missing=OnMissing.SKIP), context, store)
    address, said = output.split(" ", 1)
    assert said.startswith("(3 of 5 pictures missing: picture 2, http://127.0.0.1")
    frames = await frames_at(address, store, tmp_path)
    assert len(frames) == 2 * FRAMES
    assert near(frames[0][90, 160], RED, 4)
    assert near(frames[FRAMES], np.broadcast_to(BLUE, (180, 320, 3)), 4)
    assert_nothing_left(context)


async def test_skip_fails_without_any_picture(web: Web, store: MemoryStore, context: Context) -> None:
    with pytest.raises(PermanentFailure, match="2 of 2 pictures can't be used"):
        await make_video(job(web.link("/a"), web.link("/b"), on_missing=OnMissing.SKIP), context, store)
    assert_nothing_left(context)


async def test_transient_failure_is_left_to_the_next_attempt(
    web: Web, store: MemoryStore, context: Context, fetcher: Fetcher
) -> None:
    web.answers["/busy.jpg"] = lambda request: request.reply(503)
    good = web.add("/good.jpg", encoded(corpus.flat(RED)))
    with pytest.raises(CloudKonError, match="busy or broken") as caught:
        await make_video(job(good, web.link("/busy.jpg")), context, store, fetcher=fetcher)
    assert not isinstance(caught.value, PermanentFailure)
    assert web.asked("/busy.jpg") == 2
    with pytest.raises(PermanentFailure):
        await make_video(job(web.link("/busy.jpg"), web.link("/none.jpg")), context, store, fetcher=fetcher)


async def test_job_with_hundreds_of_dead_links_ends_early(web: Web, store: MemoryStore, context: Context) -> None:
    with pytest.raises(PermanentFailure, match="20 of the first 20 pictures"):
        await make_video(job(*(web.link(f"/{one}") for one in range(400))), context, store)
    assert len(web.requests) < 60


def test_missing_notes_stay_short() -> None:
    missing = [
        MissingPicture(one, f"https://example.org/{'long' * 90}?a=b", "r" * 100, Outlook.LATER) for one in range(9999)
    ]
    assert len(missing_note(missing, 10_000)) < 2000
    assert missing_note(missing, 10_000).endswith("; and 9994 more)")
    assert len(str(missing_failure(missing, 10_000, 10_000))) < 8000
    assert len(display_link(missing[0].link)) == 120
    assert display_link("s3://bucket/a b.jpg") == "s3://bucket/a b.jpg"


# # Store, deadline, disk


async def test_busy_store_does_not_cost_the_video(web: Web, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("images.animoto.video._STORE_BACKOFF", Backoff(tries=3, first=0.01, most=0.01, jitter=0.0))

    class Busy(MemoryStore):
        calls = 0

        async def put(self, key: str, source: Path | bytes, media_type: str, facts: Mapping[str, str]) -> StoredObject:
            Busy.calls += 1
            if Busy.calls < 3:
                raise Throttled("slow down")
            return await super().put(key, source, media_type, facts)

    assert await make_video(job(web.add("/1.jpg", encoded(corpus.flat(RED)))), context, Busy())
    assert Busy.calls == 4


async def test_store_refusal_is_reported(web: Web, context: Context) -> None:
    class Closed(MemoryStore):
        async def put(self, *_arguments: object, **_options: object) -> StoredObject:
            raise AccessDenied("not allowed to put")

    with pytest.raises(AccessDenied, match="not allowed to put"):
        await make_video(job(web.add("/1.jpg", encoded(corpus.flat(RED)))), context, Closed())
    assert_nothing_left(context)


async def test_deadline_ends_the_job_with_an_error_and_no_files(
    web: Web, store: MemoryStore, context_for: Callable[..., Context]
) -> None:
    web.answers["/slow.jpg"] = lambda request: request.be_silent()
    good = web.add("/good.jpg", encoded(corpus.flat(RED)))
    context = context_for(seconds=3.0)
    with trio.fail_after(120), pytest.raises(CloudKonError, match="not done by the task's deadline"):
        await make_video(job(good, web.link("/slow.jpg")), context, store)
    assert_nothing_left(context)
    assert await everything_in(store) == []


async def test_full_disk_is_reported(
    web: Web, store: MemoryStore, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("images.animoto.render_pipeline._picture_path", lambda _directory, _number: Path("/dev/full"))
    with pytest.raises(CloudKonError, match=r"the worker's machine failed, not the job: .*No space left"):
        await make_video(job(web.add("/1.jpg", encoded(corpus.flat(RED)))), context, store)
    assert_nothing_left(context)


# Order


async def test_results_arrive_in_order_with_few_waiting(autojump_clock: trio.testing.MockClock) -> None:
    chance = random.Random(1)
    begun, taken = 0, 0

    async def work(item: int) -> int:
        nonlocal begun
        begun += 1
        assert begun - taken <= 4 + 1  # the one being passed on
        await trio.sleep(chance.random())
        return item

    give, source = trio.open_memory_channel[int](200)
    for number in range(200):
        give.send_nowait(number)
    give.close()
    sink, results = trio.open_memory_channel[int](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(in_order, source, work, 4, sink)
        async for result in results:
            assert result == taken
            taken += 1
            await trio.sleep(chance.random())
    assert taken == 200
