"""A save that can't begin is a problem to report, and does not end all further saves."""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.local.emulator_server.snapshots import Snapshots, newest


def _snapshots(directory: Path) -> Snapshots:
    return Snapshots(directory, lambda: {"sqs": lambda: 1}, lambda place, name, _: (place / name).touch())


def _fail(number: int) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


def test_save_without_memory_for_a_process_is_a_problem(tmp_path: Path) -> None:
    snapshots = _snapshots(tmp_path)
    assert "Cannot allocate memory" in asyncio.run(snapshots.save(_fail(errno.ENOMEM)))
    assert newest(tmp_path) is None
    assert asyncio.run(snapshots.save(os.fork)) == ""
    assert newest(tmp_path) == tmp_path / "00000001"


def test_save_without_descriptors_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when many programs keep connections to the emulator."""
    monkeypatch.setattr("fleet.local.emulator_server.snapshots.os.pipe", _fail(errno.EMFILE))

    async def save() -> str:
        return await _snapshots(tmp_path).save(os.fork)

    assert "Too many open files" in asyncio.run(save())
