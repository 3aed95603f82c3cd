"""A folder belongs to one run and its retries; what others wrote into it stays."""

import errno
import io
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing

from client.push.staged_workload import stage_workload
from client.push.submit import submit
from client.records.pushes import Pushes
from client.results.pull import pull
from client.results.pull_manifest import JOURNAL_NAME, PullRecord
from client.results.retry import failed, write_chosen
from cloudkon.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_OK, InvalidInput
from cloudkon.memory import MemoryStore
from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, Progress, Result, Run, TaskId, TaskState
from cloudkon.ports import Insert, Services, StoredObject
from cloudkon.settings import Settings
from tests.support.client_doubles import record_results
from tests.unit.client.commands import Client


def make_run(run_id: str) -> Run:
    return Run.plan(run_id=run_id, counts={"animoto": 3}, chunk_size=1, digest="d", started=0.0)


async def create(services: Services, run_id: str, contents: Mapping[int, bytes]) -> Run:
    """Create a run whose tasks have stored these videos."""
    run = await services.ledger.create_run(make_run(run_id))
    await record_results(services, run, [await video(services, run, seq, contents[seq]) for seq in contents])
    return run


async def video(services: Services, run: Run, seq: int, content: bytes, suffix: str = ".mp4") -> Result:
    stored = await services.store.put(f"videos/{run.id}/{seq}.t0k{suffix}", content, "video/mp4", {})
    return Result(TaskId(run.id, seq), TaskState.SUCCEEDED, output=stored.address)


async def push(services: Services, pushes: Pushes, lines: str, chunk_size: int = 1) -> Run:
    with stage_workload(io.BytesIO(lines.encode()), "work", pushes.directory, chunk_size=chunk_size) as staged:
        return (await submit(services, Settings(), staged, pushes)).run


async def retry(services: Services, pushes: Pushes, parent: Run) -> Run:
    workload = io.BytesIO()
    numbers = await write_chosen(services, parent, failed, workload)
    workload.seek(0)
    with stage_workload(
        workload, "failed", pushes.directory, chunk_size=2, parent=parent.id, parent_numbers=numbers
    ) as staged:
        return (await submit(services, Settings(), staged, pushes)).run


async def end(services: Services, run: Run, contents: Mapping[int, bytes]) -> None:
    """End all tasks: those with contents have stored a video, the others have failed."""
    await record_results(
        services,
        run,
        [
            await video(services, run, seq, contents[seq])
            if seq in contents
            else Result(TaskId(run.id, seq), TaskState.FAILED, error="broken")
            for seq in range(run.count)
        ],
    )


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != JOURNAL_NAME}


async def test_folder_of_another_run_is_refused(services: Services, tmp_path: Path) -> None:
    await pull(services, await create(services, "r1", {0: b"first"}), tmp_path)
    other = await create(services, "r2", {0: b"other", 1: b"one"})
    with pytest.raises(InvalidInput) as refused:
        await pull(services, other, tmp_path)
    assert f"folder {tmp_path}: it holds the files of run r1" in str(refused.value)
    assert str(refused.value).endswith(f"python -m client pull r2 {tmp_path / 'r2'}")
    assert files(tmp_path) == {"0.mp4": b"first"}


def test_refused_pull_exits_with_2_and_its_remedy_works(
    services: Services, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    for run_id in ("r1", "r2"):
        trio.run(create, services, run_id, {0: run_id.encode()})
    assert client("pull", "r1") == EXIT_OK
    assert client("pull", "r2") == EXIT_BAD_INPUT
    words = capsys.readouterr().err.rpartition("python -m client ")[2].split()
    assert words == ["pull", "r2", "videos/r2"]
    assert client(*words) == EXIT_OK
    assert (Path("videos/0.mp4").read_bytes(), Path("videos/r2/0.mp4").read_bytes()) == (b"r1", b"r2")


async def test_retries_take_the_places_of_the_failed_tasks(services: Services, pushes: Pushes, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    run = await push(services, pushes, "".join(f"sleep {seq}\n" for seq in range(6)))
    await end(services, run, {0: b"0", 2: b"2", 5: b"5"})
    first = await retry(services, pushes, run)
    await end(services, first, {0: b"1 by a retry"})
    second = await retry(services, pushes, first)
    await end(services, second, {0: b"3 by a second", 1: b"4 by a second"})
    for one in (run, second, first, run):
        assert not (await pull(services, one, folder)).problems
    assert files(folder) == {
        "0.mp4": b"0",
        "1.mp4": b"1 by a retry",
        "2.mp4": b"2",
        "3.mp4": b"3 by a second",
        "4.mp4": b"4 by a second",
        "5.mp4": b"5",
    }


async def test_second_retry_of_a_task_does_not_replace_the_first(
    services: Services, pushes: Pushes, tmp_path: Path
) -> None:
    folder = tmp_path / "videos"
    run = await push(services, pushes, "sleep 1\nsleep 1\n")
    await end(services, run, {0: b"0"})
    for content in (b"first", b"second"):
        again = await retry(services, pushes, run)
        await end(services, again, {0: content})
        pulled = await pull(services, again, folder)
    assert files(folder) == {"1.mp4": b"first"}
    [problem] = pulled.problems
    assert "it holds another result, of task " in problem


async def test_retry_over_several_pools_keeps_the_parents_numbers(
    services: Services, pushes: Pushes, tmp_path: Path
) -> None:
    job = "animoto s3://bucket/picture.jpg"
    run = await push(services, pushes, f"sleep 1\nsleep 2\n{job}\n{job}\n")
    await end(services, run, {0: b"0", 3: b"3"})
    again = await retry(services, pushes, run)
    await end(services, again, {0: b"zero", 1: b"one"})
    await pull(services, again, tmp_path / "videos")
    assert files(tmp_path / "videos") == {"1.mp4": b"zero", "2.mp4": b"one"}


async def test_retry_that_an_earlier_version_pushed_has_its_own_folder(services: Services, tmp_path: Path) -> None:
    await create(services, "r1", {0: b"zero"})
    old = await services.ledger.create_run(replace(make_run("r2"), parent="r1"))
    await record_results(services, old, [await video(services, old, 0, b"from an old retry")])
    await pull(services, make_run("r1"), tmp_path / "r1")
    with pytest.raises(InvalidInput, match="it holds the files of run r1"):
        await pull(services, old, tmp_path / "r1")
    pulled = await pull(services, old, tmp_path / "r2")
    assert files(tmp_path / "r2") == {"0.mp4": b"from an old retry"}
    assert pulled.note == (
        "run r2 retries run r1, but which of its tasks was not recorded: the files have its own numbers"
    )


async def test_exchanged_list_of_parents_tasks_is_refused(services: Services, pushes: Pushes, tmp_path: Path) -> None:
    run = await push(services, pushes, "sleep 1\nsleep 1\n")
    await end(services, run, {0: b"0"})
    again = await retry(services, pushes, run)
    await end(services, again, {0: b"1"})
    await services.store.put(f"runs/{again.id}/parents.gz", b"0\n", "text/plain", {})
    with pytest.raises(InvalidInput, match="is not the list of parent's tasks that it was pushed with"):
        await pull(services, again, tmp_path / "videos")


async def test_circle_of_parents_is_refused(services: Services, tmp_path: Path) -> None:
    run = await services.ledger.create_run(replace(make_run("r1"), parent="r1", parent_tasks="d"))
    with pytest.raises(InvalidInput, match="its parents form a circle"):
        await pull(services, run, tmp_path)


def journal(folder: Path, *facts: Mapping[str, object]) -> None:
    (folder / JOURNAL_NAME).write_text("".join(json.dumps(fact) + "\n" for fact in facts))


async def test_folder_of_an_earlier_version_is_continued(services: Services, tmp_path: Path) -> None:
    run = await create(services, "r1", {0: b"zero", 1: b"one"})
    (tmp_path / "0.mp4").write_bytes(b"zero")
    stored = await services.store.head("s3://memory/videos/r1/0.t0k.mp4")
    journal(tmp_path, {"name": "0.mp4", "address": stored.address, "size": 4, "etag": stored.etag, "facts": {}})
    pulled = await pull(services, run, tmp_path)
    assert (pulled.fetched, pulled.present, pulled.problems) == (1, 1, [])


async def test_folder_of_an_earlier_version_with_another_runs_files_is_refused(
    services: Services, tmp_path: Path
) -> None:
    run = await create(services, "r2", {0: b"zero"})
    (tmp_path / "0.mp4").write_bytes(b"first")
    journal(tmp_path, {"name": "0.mp4", "address": "s3://memory/videos/r1/0.t0k.mp4", "size": 5, "etag": "e"})
    with pytest.raises(InvalidInput, match="may be of another run than r2"):
        await pull(services, run, tmp_path)
    assert files(tmp_path) == {"0.mp4": b"first"}


@pytest.mark.parametrize("own", ["file", "link", "dangling link", "folder"])
async def test_users_own_entry_is_never_replaced(services: Services, tmp_path: Path, own: str) -> None:
    run = await create(services, "r1", {0: b"zero", 1: b"one"})
    folder, elsewhere = tmp_path / "videos", tmp_path / "elsewhere"
    folder.mkdir()
    match own:
        case "file":
            (folder / "0.mp4").write_bytes(b"my wedding")
        case "folder":
            (folder / "0.mp4").mkdir()
        case _:
            (folder / "0.mp4").symlink_to(elsewhere)
            if own == "link":
                elsewhere.write_bytes(b"my wedding")
    before = (folder / "0.mp4").lstat()
    pulled = await pull(services, run, folder)
    assert (folder / "0.mp4").lstat() == before
    assert elsewhere.exists() == (own == "link")
    assert (folder / "1.mp4").read_bytes() == b"one"
    [problem] = pulled.problems
    assert "this file was not written by a pull" in problem


async def test_pulled_file_that_the_user_changed_stays(services: Services, tmp_path: Path) -> None:
    run = await create(services, "r1", {0: b"zero"})
    await pull(services, run, tmp_path)
    (tmp_path / "0.mp4").write_bytes(b"cut by hand")
    pulled = await pull(services, run, tmp_path)
    assert files(tmp_path) == {"0.mp4": b"cut by hand"}
    assert "this file was changed since it was pulled" in pulled.problems[0]


async def test_journal_that_is_a_link_is_not_followed(services: Services, tmp_path: Path) -> None:
    run = await create(services, "r1", {0: b"zero"})
    (tmp_path / "notes").write_text("mine\n")
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / JOURNAL_NAME).symlink_to(tmp_path / "notes")
    with pytest.raises(InvalidInput, match="symbolic link"):
        await pull(services, run, tmp_path / "videos")
    assert (tmp_path / "notes").read_text() == "mine\n"


async def test_pull_is_refused_while_another_writes_into_the_folder(services: Services, tmp_path: Path) -> None:
    run = await create(services, "r1", {0: b"zero"})
    with PullRecord(tmp_path, "r1"), pytest.raises(InvalidInput, match="another pull is writing into it"):
        await pull(services, run, tmp_path)
    assert (await pull(services, run, tmp_path)).fetched == 1


class Killed(BaseException):
    """Stands for the end of the process."""


class UserWritesMeanwhile(MemoryStore):
    """While an object is fetched, the user writes a file of its name."""

    folder = Path()

    async def get(self, address: str, destination: Path, limit: int | None = None) -> StoredObject:
        stored = await super().get(address, destination, limit)
        (self.folder / "0.mp4").write_bytes(b"my wedding")
        return stored


async def test_file_that_appears_while_its_object_is_fetched_stays(services: Services, tmp_path: Path) -> None:
    store = UserWritesMeanwhile()
    store.folder = tmp_path
    services = replace(services, store=store)
    run = await create(services, "r1", {0: b"zero"})
    for _ in range(2):
        pulled = await pull(services, run, tmp_path)
        assert "this file was not written by a pull" in pulled.problems[0]
        assert files(tmp_path) == {"0.mp4": b"my wedding"}


@pytest.mark.parametrize("step", ["hardlink_to", "unlink"])
async def test_pull_killed_between_file_and_name_continues(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The process ends before the file gets its name, and just after it."""
    run = await create(services, "r1", {0: b"zero"})

    def die(*_arguments: object, **_more: object) -> None:
        raise Killed

    monkeypatch.setattr(Path, step, die)
    with pytest.raises(BaseExceptionGroup):
        await pull(services, run, tmp_path)
    monkeypatch.undo()
    await services.store.put("videos/r1/0.t0k.mp4", b"changed", "video/mp4", {})
    pulled = await pull(services, run, tmp_path)
    assert (pulled.fetched, pulled.problems) == (1, [])
    assert (tmp_path / "0.mp4").read_bytes() == b"changed"


async def test_own_file_at_the_place_of_a_killed_pull_stays(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await create(services, "r1", {0: b"zero"})

    def die(*_arguments: object, **_more: object) -> None:
        raise Killed

    monkeypatch.setattr(Path, "hardlink_to", die)
    with pytest.raises(BaseExceptionGroup):
        await pull(services, run, tmp_path)
    monkeypatch.undo()
    (tmp_path / "0.mp4").write_bytes(b"my wedding")
    pulled = await pull(services, run, tmp_path)
    assert (tmp_path / "0.mp4").read_bytes() == b"my wedding"
    assert len(pulled.problems) == 1


async def test_file_system_without_hard_links_works(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    await pull(services, await create(services, "r1", {0: b"zero"}), tmp_path)
    assert files(tmp_path) == {"0.mp4": b"zero"}


async def test_names_that_differ_in_case_only_are_numbered(services: Services, tmp_path: Path) -> None:
    run = await services.ledger.create_run(make_run("r1"))
    lower, upper = await video(services, run, 0, b"lower"), await video(services, run, 0, b"upper", ".MP4")
    both = replace(lower, output=f"{lower.output} {upper.output}")
    record = ChunkRecord(ChunkKey("r1", 0, 1), ChunkState.DONE, "owner", 1, 0, 1, Progress((both,)))
    await services.ledger.write([Insert(record)])
    await pull(services, run, tmp_path)
    assert files(tmp_path) == {"0.mp4": b"lower", "0-2.MP4": b"upper"}


def test_gallery_of_a_retry_has_a_page_of_its_own(
    services: Services, pushes: Pushes, client: Client, tmp_path: Path
) -> None:
    async def work() -> tuple[Run, Run]:
        run = await push(services, pushes, "sleep 1\nsleep 1\n")
        await end(services, run, {0: b"0"})
        again = await retry(services, pushes, run)
        await end(services, again, {0: b"1"})
        return run, again

    run, again = trio.run(work)
    assert client("pull", "--gallery", run.id) == EXIT_OK
    page = (tmp_path / "videos/index.html").read_bytes()
    assert client("pull", "--gallery", again.id) == EXIT_OK
    assert (tmp_path / "videos/index.html").read_bytes() == page
    assert 'src="1.mp4"' in (tmp_path / f"videos/{again.id}.html").read_text()


def test_retried_tasks_are_recorded_also_by_the_command(
    services: Services, client: Client, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    Path("workload.txt").write_text("sleep 1\nsleep 1\nsleep 1\n")
    assert client("push") == EXIT_OK
    run = trio.run(services.ledger.read_run, capsys.readouterr().out.strip())
    assert run is not None
    trio.run(end, services, run, {0: b"0", 1: b"1"})
    assert client("failures", run.id) == EXIT_FAILED
    capsys.readouterr()
    assert client("retry", run.id) == EXIT_OK
    again = trio.run(services.ledger.read_run, capsys.readouterr().out.strip())
    assert again is not None
    trio.run(end, services, again, {0: b"2"})
    assert client("pull", again.id) == EXIT_OK
    assert files(tmp_path / "videos") == {"2.mp4": b"2"}
