"""What a task sets for its standard descriptors is set back, and reaches no other process that has the same files."""

import fcntl
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from cloudkon.kernel import IS_LINUX
from tests.support.emulator import ROOT
from tests.support.patience import PATIENCE

START = """
import fcntl, os, termios, tty
from images.worker.execution.saved_descriptors import SavedDescriptors, open_own_outputs
"""
CHANGES = {
    "not blocking": "os.set_blocking(1, False)",
    "appending": "fcntl.fcntl(1, fcntl.F_SETFL, os.O_APPEND)",
    "signals": "fcntl.fcntl(1, fcntl.F_SETFL, os.O_ASYNC)",
}


def run(program: str, output: int) -> None:
    subprocess.run([sys.executable, "-c", START + program], stdout=output, cwd=ROOT, check=True, timeout=PATIENCE)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_flags_of_an_open_file_are_set_back(change: str) -> None:
    reader, writer = os.pipe()
    before = fcntl.fcntl(writer, fcntl.F_GETFL)
    run(
        f"saved = SavedDescriptors(); {change}; assert fcntl.fcntl(1, fcntl.F_GETFL) != {before}; saved.restore()",
        writer,
    )
    assert fcntl.fcntl(writer, fcntl.F_GETFL) == before
    os.close(reader)
    os.close(writer)


@pytest.mark.skipif(not IS_LINUX, reason="only Linux opens an open file anew")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_flags_that_a_task_sets_reach_no_other_process(change: str) -> None:
    reader, writer = os.pipe()
    before = fcntl.fcntl(writer, fcntl.F_GETFL)
    run(f"open_own_outputs(); {change}; os.write(1, b'here')", writer)
    assert fcntl.fcntl(writer, fcntl.F_GETFL) == before
    assert os.read(reader, 10) == b"here"
    os.close(reader)
    os.close(writer)


def test_outputs_that_nobody_reads_are_kept() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    run("open_own_outputs(); assert os.fstat(1)", writer)
    os.close(writer)


def test_next_task_writes_at_the_end_of_a_regular_file(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        run(
            "os.write(1, b'first '); saved = SavedDescriptors(); os.lseek(1, 0, os.SEEK_SET); saved.restore();"
            "os.write(1, b'second')",
            log.fileno(),
        )
    assert (tmp_path / "log").read_bytes() == b"first second"


def test_lock_on_the_output_ends_with_the_task(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        run("saved = SavedDescriptors(); fcntl.flock(1, fcntl.LOCK_EX); saved.restore()", log.fileno())
        # The lock would be this descriptor's too, as it is the same open file.
        with (tmp_path / "log").open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_modes_of_a_terminal_are_set_back() -> None:
    controller, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    run("saved = SavedDescriptors(); tty.setraw(1); saved.restore()", terminal)
    assert termios.tcgetattr(terminal) == before
    os.close(controller)
    os.close(terminal)
