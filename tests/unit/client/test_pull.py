from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing

from client.results.pull import PullBroke, file_name, object_address, pull
from client.results.pull_manifest import JOURNAL_NAME
from cloudkon.errors import Unavailable
from cloudkon.memory import MemoryStore, memory_services
from cloudkon.model import Result, Run, TaskId, TaskState
from cloudkon.ports import Services, StoredObject
from tests.support.client_doubles import record_results


def make_run(run_id: str = "r1") -> Run:
    return Run.plan(run_id=run_id, counts={"animoto": 3}, chunk_size=1, digest="d", started=0.0)


async def store_videos(services: Services, run: Run, contents: dict[int, bytes], note: str = "") -> None:
    made = []
    for seq, content in contents.items():
        stored = await services.store.put(f"videos/{run.id}/{seq}.t0k.mp4", content, "video/mp4", {})
        made.append(Result(TaskId(run.id, seq), TaskState.SUCCEEDED, output=stored.address + note))
    await record_results(services, run, made)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != JOURNAL_NAME}


async def test_files_are_named_by_their_task(services: Services, tmp_path: Path) -> None:
    await store_videos(services, make_run(), {0: b"zero", 2: b"two"}, " (1 of 2 pictures missing: …)")
    pulled = await pull(services, make_run(), tmp_path / "videos")
    assert files(tmp_path / "videos") == {"0.mp4": b"zero", "2.mp4": b"two"}
    assert (pulled.fetched, pulled.present, pulled.problems) == (2, 0, [])


async def test_complete_files_are_not_fetched_again(services: Services, tmp_path: Path) -> None:
    await store_videos(services, make_run(), {0: b"zero", 1: b"one"})
    await pull(services, make_run(), tmp_path)
    before = (tmp_path / "0.mp4").stat().st_mtime_ns
    (tmp_path / "1.mp4").unlink()
    pulled = await pull(services, make_run(), tmp_path)
    assert (pulled.fetched, pulled.present) == (1, 1)
    assert (tmp_path / "0.mp4").stat().st_mtime_ns == before
    assert files(tmp_path)["1.mp4"] == b"one"


async def test_file_stays_although_its_object_is_gone(services: Services, tmp_path: Path) -> None:
    await store_videos(services, make_run(), {0: b"zero"})
    await pull(services, make_run(), tmp_path)
    assert isinstance(services.store, MemoryStore)
    services.store._objects.clear()
    pulled = await pull(services, make_run(), tmp_path)
    assert (pulled.present, pulled.problems) == (1, [])


async def test_changed_object_is_fetched_again(services: Services, tmp_path: Path) -> None:
    await store_videos(services, make_run(), {0: b"zero"})
    await pull(services, make_run(), tmp_path)
    await services.store.put("videos/r1/0.t0k.mp4", b"null", "video/mp4", {})
    assert (await pull(services, make_run(), tmp_path)).fetched == 1
    assert files(tmp_path) == {"0.mp4": b"null"}


async def test_missing_object_is_reported_and_stops_no_other(services: Services, tmp_path: Path) -> None:
    gone = Result(TaskId("r1", 1), TaskState.SUCCEEDED, output="s3://memory/videos/gone.mp4")
    await record_results(services, make_run(), [gone])
    await store_videos(services, make_run(), {0: b"zero", 2: b"two"})
    pulled = await pull(services, make_run(), tmp_path)
    assert sorted(files(tmp_path)) == ["0.mp4", "2.mp4"]
    [problem] = pulled.problems
    assert problem.startswith("task r1/1: s3://memory/videos/gone.mp4")


async def test_foreign_file_is_never_overwritten(services: Services, tmp_path: Path) -> None:
    (tmp_path / "0.mp4").write_bytes(b"my wedding")
    await store_videos(services, make_run(), {0: b"zero", 1: b"one"})
    pulled = await pull(services, make_run(), tmp_path)
    assert files(tmp_path) == {"0.mp4": b"my wedding", "1.mp4": b"one"}
    assert "this file was not written by a pull" in pulled.problems[0]


class StoppingStore(MemoryStore):
    """Returns some objects, and then fails after writing the next one's file, as a killed process could."""

    left = 1

    async def get(self, address: str, destination: Path, limit: int | None = None) -> StoredObject:
        stored = await super().get(address, destination, limit)
        self.left -= 1
        if self.left < 0:
            raise Unavailable("the answer was lost")
        return stored


async def test_broken_off_pull_continues(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    store = StoppingStore()
    services = replace(memory_services(), store=store)
    await store_videos(services, make_run(), {0: b"zero", 1: b"one", 2: b"two"})
    with pytest.raises(PullBroke, match=r"The files so far \(1 new\) are in .*: pull again to continue"):
        await pull(services, make_run(), tmp_path)
    store.left = 100
    pulled = await pull(services, make_run(), tmp_path)
    assert pulled.fetched == 2, "also the object whose file existed but was not recorded as whole"
    assert (pulled.present, pulled.problems) == (1, [])
    assert files(tmp_path) == {"0.mp4": b"zero", "1.mp4": b"one", "2.mp4": b"two"}


async def test_unwritable_folder_is_reported(services: Services, tmp_path: Path) -> None:
    (tmp_path / "videos").write_text("a file")
    with pytest.raises(OSError, match="videos"):
        await pull(services, make_run(), tmp_path / "videos")


async def test_all_addresses_at_the_start_of_an_output_are_fetched(services: Services, tmp_path: Path) -> None:
    names = ("0.t0k.mp4", "0.t0k.jpg", "first.csv", "second.csv")
    stored = [await services.store.put(name, name.encode(), "x/y", {}) for name in names]
    addresses = [one.address for one in stored]
    addresses.insert(1, "s3://memory/gone.png")
    output = f"{' '.join(addresses)} (see s3://memory/first.csv)"
    await record_results(services, make_run(), [Result(TaskId("r1", 0), TaskState.SUCCEEDED, output=output)])
    pulled = await pull(services, make_run(), tmp_path)
    contents = {"0.mp4": names[0], "0.jpg": names[1], "0.csv": names[2], "0-5.csv": names[3]}
    assert files(tmp_path) == {name: content.encode() for name, content in contents.items()}
    assert (pulled.fetched, len(pulled.problems)) == (4, 1)
    assert "gone.png" in pulled.problems[0]


@pytest.mark.parametrize(
    ("output", "address", "name"),
    [
        ("s3://b/videos/x.mp4", "s3://b/videos/x.mp4", "7.mp4"),
        ("s3://b/no-suffix and words", "s3://b/no-suffix", "7"),
        ("s3://b/a/../../etc/passwd", "s3://b/a/../../etc/passwd", "7"),
        ("s3://b/x.tar/../y.{}", "s3://b/x.tar/../y.{}", "7"),
        ("hello s3://b/x.mp4", "", ""),
        ("   ", "", ""),
    ],
)
def test_output_without_a_leading_address_names_no_object(output: str, address: str, name: str) -> None:
    result = Result(TaskId("r", 7), TaskState.SUCCEEDED, output=output)
    assert object_address(result) == address
    assert file_name(result, result.task.seq) == name
