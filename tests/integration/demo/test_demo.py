"""``python -m demo`` leaves videos on the disk and no process, even if it is interrupted."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.support.emulator import ROOT, executable, missing

pytestmark = pytest.mark.long

PATIENCE = 100.0
"""Seconds after which an expected event counts as missing."""
FEW = ("--workers", "2", "--sleeps", "40", "--slideshows", "1", "--pictures", "2")


@pytest.fixture
def environment() -> dict[str, str]:
    ours = ("CLOUDKON_", "AWS_", "PHOTOS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "PYTHONPATH": str(ROOT), "CLOUDKON_EMULATOR": str(executable()), "NO_COLOR": "1"}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, colour in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
        Image.new("RGB", (640, 360), colour).save(folder / f"{name}.jpg")
    return folder


@pytest.fixture
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """Check after the test that no process works in its directory."""
    if not Path("/proc/self/environ").exists():
        missing("this test looks for leftover processes in /proc, which this system does not have")
    yield
    deadline = time.monotonic() + PATIENCE
    while (left := processes_with(str(tmp_path / ".cloudkon"))) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []


def processes_with(text: str) -> list[int]:
    """Return the processes whose environment contains ``text``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if text.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.usefixtures("nothing_left")
def test_demo_makes_videos_and_reports_the_fleets_results(
    tmp_path: Path, photos: Path, environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo", *FEW],
        cwd=tmp_path,
        env=environment | {"PHOTOS": str(photos), "CLOUDKON_FLEET": "mine"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "sleep 10" in done.stdout
    assert "1920x1080" in done.stdout
    video = (tmp_path / "videos" / "0.mp4").read_bytes()
    assert video[4:8] == b"ftyp"
    assert not (tmp_path / ".cloudkon" / "demo" / "emulator" / "data").exists()


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_demo_takes_the_fleet_down(
    tmp_path: Path, photos: Path, environment: dict[str, str], number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "demo", "--photos", photos, *FEW],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stderr
        lines = []
        for line in demo.stderr:
            lines.append(line)
            if "client push" in line:
                demo.send_signal(number)
                break
        lines += demo.stderr.readlines()
        assert demo.wait(PATIENCE) == 130, lines
    assert "Traceback" not in "".join(lines)


def test_missing_photo_folder_is_reported_in_one_line(tmp_path: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo", "--photos", "nowhere"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr
