"""The emulator's last save is complete, whatever other save goes on; a save that can't begin is a problem to report."""

import asyncio
import errno
import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.local.emulator_server.interface import ORDERLY
from fleet.local.emulator_server.snapshots import Snapshots, newest
from tests.support.patience import until


def _fork() -> int:
    with warnings.catch_warnings():
        # The child calls nothing that another thread may have locked.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _snapshots(directory: Path) -> Snapshots:
    """Return snapshots of one service, whose writing in another process never ends."""
    own = os.getpid()

    def write(partial: Path, service: str, state: str) -> None:
        if os.getpid() != own:
            (partial / "begun").touch()
            signal.pause()
        (partial / service).write_text(state)

    return Snapshots(directory, lambda: {"sqs": lambda: "state"}, write)


async def _begun(directory: Path) -> None:
    await asyncio.sleep(0)  # so that the save forks
    await asyncio.to_thread(until, lambda: list(directory.glob("*.partial/begun")))


def test_save_that_goes_on_does_not_disturb_the_last_one(tmp_path: Path) -> None:
    """Both would write into one directory, and ``down`` would say that nothing was saved."""

    async def stop_while_saving() -> str:
        snapshots = _snapshots(tmp_path)
        saving = asyncio.create_task(snapshots.save(_fork))
        await _begun(tmp_path)
        saving.cancel()
        return snapshots.save_at_end()

    assert asyncio.run(stop_while_saving()) == ""
    last = newest(tmp_path)
    assert last
    assert sorted(path.name for path in last.iterdir()) == [ORDERLY, "sqs"]
    assert list(tmp_path.iterdir()) == [last]


def test_cancelled_save_leaves_no_process_that_writes(tmp_path: Path) -> None:
    pids: list[int] = []

    def fork() -> int:
        pids.append(_fork())
        return pids[-1]

    async def cancel_while_saving() -> None:
        saving = asyncio.create_task(_snapshots(tmp_path).save(fork))
        await _begun(tmp_path)
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)

    asyncio.run(cancel_while_saving())
    with pytest.raises(ChildProcessError):
        os.waitpid(pids[0], os.WNOHANG)


def _quick_snapshots(directory: Path) -> Snapshots:
    return Snapshots(directory, lambda: {"sqs": lambda: 1}, lambda place, name, _: (place / name).touch())


def _fail(number: int) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


def test_save_without_memory_for_a_process_is_a_problem(tmp_path: Path) -> None:
    snapshots = _quick_snapshots(tmp_path)
    assert "Cannot allocate memory" in asyncio.run(snapshots.save(_fail(errno.ENOMEM)))
    assert newest(tmp_path) is None
    assert asyncio.run(snapshots.save(os.fork)) == ""
    assert newest(tmp_path) == tmp_path / "00000001"


def test_save_without_descriptors_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when many programs keep connections to the emulator."""
    monkeypatch.setattr("fleet.local.emulator_server.snapshots.os.pipe", _fail(errno.EMFILE))

    async def save() -> str:
        return await _quick_snapshots(tmp_path).save(os.fork)

    assert "Too many open files" in asyncio.run(save())


def test_writers_of_the_same_number_do_not_mix_their_files(tmp_path: Path) -> None:
    """As when the emulator was killed during a save, and the next one saves at once."""
    (tmp_path / f"00000001.{os.getppid()}.partial").mkdir()
    (tmp_path / f"00000001.{os.getppid()}.partial" / "dynamodb").touch()
    assert _quick_snapshots(tmp_path).save_at_end() == ""
    last = newest(tmp_path)
    assert last
    assert sorted(path.name for path in last.iterdir()) == [ORDERLY, "sqs"]
