"""Removal of what tasks leave in their directories: all of it goes, nothing else does, and nothing fails."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from images.worker.execution.scratch_removal import remove_small, remove_tree

NOBODY: Final = 65532
"""A user without rights, as in the images. Root may do what it likes in a directory without a mode."""


def deep_tree(directory: Path) -> None:
    here = os.open(directory, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("a-folder", dir_fd=here)
        inner = os.open("a-folder", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def names_of_the_removal(directory: Path) -> None:
    for number in range(4):
        (directory / f".removed-{number}" / "inner" / ".removed-0").mkdir(parents=True)


def odd_files(directory: Path) -> None:
    os.mkfifo(directory / "pipe")
    (directory / "loop").symlink_to("loop")
    (directory / os.fsdecode(b"\xff\n")).write_text("x")
    (directory / "sparse").touch()
    os.truncate(directory / "sparse", 10**12)


def many_files(directory: Path) -> None:
    for number in range(500):
        (directory / str(number)).touch()


LEFT: Final = [deep_tree, names_of_the_removal, odd_files, many_files]


@pytest.mark.parametrize("leave", LEFT, ids=lambda one: one.__name__)
def test_directory_is_removed_whatever_is_in_it(tmp_path: Path, leave: Callable[[Path], None]) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    leave(scratch)
    assert remove_small(str(scratch)) or remove_tree(str(scratch))
    assert not scratch.exists()


@pytest.mark.parametrize("place", ["scratch", "scratch/inner"])
@pytest.mark.parametrize("remove", [remove_small, remove_tree])
def test_link_is_removed_and_not_what_it_leads_to(tmp_path: Path, place: str, remove: Callable[[str], bool]) -> None:
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o755)
    (kept / "file").write_text("x")
    link = tmp_path / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(kept)
    remove(str(tmp_path / "scratch"))
    assert (kept / "file").read_text() == "x"
    assert kept.stat().st_mode & 0o777 == 0o755
    assert remove is remove_small or not os.path.lexists(tmp_path / "scratch")


def test_directory_that_is_gone_is_removed(tmp_path: Path) -> None:
    assert remove_small(str(tmp_path / "gone"))
    assert remove_tree(str(tmp_path / "gone"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_folders_without_rights_are_removed_by_an_undumpable_process_without_rights(tmp_path: Path) -> None:
    scratch = Path("/tmp") / f"cloudkon-test-{os.getpid()}"
    scratch.mkdir()
    (scratch / "task" / "inner" / "deep").mkdir(parents=True)
    (scratch / "task" / "inner" / "file").write_text("x")
    for path in (scratch / "task" / "inner" / "deep", scratch / "task" / "inner", scratch / "task"):
        os.chown(path, NOBODY, NOBODY)
        path.chmod(0)
    os.chown(scratch, NOBODY, NOBODY)
    program = (
        "import sys; from images.worker.execution.scratch_removal import remove_tree\n"
        "from cloudkon.kernel import make_undumpable\n"
        "import os; os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2])); make_undumpable()\n"
        "sys.exit(not remove_tree(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", program, scratch, str(NOBODY)], check=True)
    assert not scratch.exists()
