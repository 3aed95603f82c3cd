from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import trio.testing

from client.slideshows.pictures import find_pictures, upload
from client.slideshows.slideshows import rotate, slideshow_instructions
from cloudkon.errors import InvalidInput, Throttled
from cloudkon.instructions.animoto import parse_animoto
from cloudkon.memory import MemoryStore
from cloudkon.ports import Services, StoredObject

LINKS = [f"https://a.example/{number}.jpg" for number in range(12)]


@pytest.mark.parametrize(("links", "pictures"), [(12, 12), (12, 5), (10, 60), (24, 12), (7, 1), (1000, 60)])
def test_jobs_all_differ_up_to_the_number_of_pictures(links: int, pictures: int) -> None:
    numbers = [str(number) for number in range(links)]
    jobs = [tuple(job) for job in rotate(numbers, links, pictures)]
    assert len(set(jobs)) == links
    assert {len(job) for job in jobs} == {pictures}


def test_first_jobs_share_no_picture_while_there_are_enough() -> None:
    one, two = rotate([str(number) for number in range(100)], 2, 30)
    assert not set(one) & set(two)


def test_links_and_options_reach_the_worker_unchanged() -> None:
    links = ["https://a.example/a b.jpg", "https://a.example/it's.jpg?x=1&y=#2", "s3://bucket/c.png"]
    [instruction] = slideshow_instructions(links, 1, 3, ["--seconds", "2", "--size", "720p"])
    job = parse_animoto(instruction.removeprefix("animoto "))
    assert list(job.links) == links
    assert job.slides[0].seconds == 2
    assert job.width == 1280


@pytest.mark.parametrize(
    ("links", "jobs", "pictures", "options", "message"),
    [
        ([], 1, 1, [], "no pictures are given. Give links"),
        (LINKS, 0, 1, [], "JOBS 0: it must be at least 1"),
        (LINKS, 1, -1, [], "--pictures -1: it must be at least 1"),
        (LINKS, 1, 2, ["--seconds", "no"], "--seconds no"),
        ([*LINKS, "https:///nothing"], 1, 2, [], "it names no host"),
        (LINKS, 1, 2, ["--title", "one\ntwo"], r"it has a line break, but an instruction is one line. Use JSON"),
        (LINKS, 1, 20_000, [], "there are 20,000 links, and a video may have 10,000"),
    ],
)
def test_unrenderable_slideshows_are_refused_at_once(
    links: list[str], jobs: int, pictures: int, options: list[str], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        slideshow_instructions(links, jobs, pictures, options)


def test_sources_may_be_links_texts_pictures_and_folders(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in ("b.JPG", "a.png", "more/c.heic", ".hidden.jpg", "notes.txt"):
        (folder / name).write_bytes(b"x")
    text = tmp_path / "links.txt"
    text.write_text("# mine\nhttps://a.example/1.jpg\n\ns3://bucket/2.jpg\n")
    assert find_pictures([str(folder), "https://a.example/0.jpg", str(text), str(folder / "a.png")]) == [
        folder / "a.png",
        folder / "b.JPG",
        folder / "more/c.heic",
        "https://a.example/0.jpg",
        "https://a.example/1.jpg",
        "s3://bucket/2.jpg",
        folder / "a.png",
    ]


def test_invalid_sources_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "links.txt").write_text("https://a.example/1.jpg\nphotos/2.jpg\n")
    (tmp_path / "nothing.txt").write_text("\n# none\n")
    (tmp_path / "archive.zip").write_bytes(b"PK\x03\x04\xff\xfe")
    for name, reason in (
        ("empty", "it has no pictures"),
        ("missing", "not a link, a file or a folder"),
        ("links.txt", "line 2: 'photos/2.jpg' is not a link"),
        ("nothing.txt", "it has no links"),
        ("archive.zip", "neither a picture nor a text file of links"),
    ):
        with pytest.raises(InvalidInput, match=reason):
            find_pictures([str(tmp_path / name)])


class CountingStore(MemoryStore):
    """Records what is stored, and fails after ``enough`` objects."""

    def __init__(self, enough: int = 1000) -> None:
        super().__init__()
        self.stored: list[str] = []
        self.enough = enough

    async def put(self, key: str, source: Path | bytes, media_type: str, facts: Mapping[str, str]) -> StoredObject:
        if self.enough <= 0:
            raise Throttled("slow down")
        self.enough -= 1
        stored = await super().put(key, source, media_type, facts)
        self.stored.append(media_type)
        return stored


async def test_equal_pictures_are_uploaded_once_and_never_again(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.jpg", "b.JPG", "c.png")]
    for path, content in zip(paths, (b"same", b"same", b"other"), strict=True):
        path.write_bytes(content)
    store = CountingStore()
    await upload(store, paths[1:], lambda: None)
    addresses = await upload(store, [*paths, paths[0]], lambda: None)
    assert sorted(store.stored) == ["image/jpeg", "image/png"]
    at_once = CountingStore()
    await upload(at_once, paths, lambda: None)
    assert sorted(at_once.stored) == ["image/jpeg", "image/png"]
    assert addresses[paths[0]] == addresses[paths[1]]
    assert addresses[paths[2]].startswith(store.address("pictures/"))
    assert addresses[paths[2]].endswith(".png")


async def test_interrupted_upload_resumes(
    tmp_path: Path, services: Services, autojump_clock: trio.testing.MockClock
) -> None:
    paths = [tmp_path / f"{number}.jpg" for number in range(20)]
    for path in paths:
        path.write_bytes(path.name.encode())
    store = CountingStore(enough=12)
    with pytest.raises(Throttled, match=r"\d+ of 20 pictures are uploaded: run the same command again"):
        await upload(replace(services, store=store).store, paths, lambda: None)
    store.enough = 1000
    assert len(await upload(store, paths, lambda: None)) == 20
    assert len(store.stored) == 20


async def test_unreadable_picture_is_named(tmp_path: Path, services: Services) -> None:
    with pytest.raises(OSError, match=r"gone\.jpg"):
        await upload(services.store, [tmp_path / "gone.jpg"], lambda: None)
