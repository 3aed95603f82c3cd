"""Reads films back as pixels, and finds the processes that still work on one."""

import os
import subprocess
from pathlib import Path

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe

from images.animoto.timeline.film import Film
from tests.support.picture_corpus import Pixels

BACK_TO_RGB = [
    "-fps_mode",
    "passthrough",
    "-vf",
    "zscale=matrix=gbr:range=full,format=gbrp",
    "-f",
    "rawvideo",
    "-pix_fmt",
    "rgb24",
]


def decoded_frames(video: Path, film: Film) -> Pixels:
    """Return all frames, as frames x height x width x RGB, converted by zimg according to the file's tags."""
    raw = subprocess.run(
        [get_ffmpeg_exe(), "-nostdin", "-v", "error", "-i", video, *BACK_TO_RGB, "-"],
        check=True,
        capture_output=True,
    ).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, film.height, film.width, 3)


def description(video: Path) -> str:
    """Return ffmpeg's description of the file."""
    return subprocess.run(
        [get_ffmpeg_exe(), "-hide_banner", "-i", video], check=False, capture_output=True, text=True
    ).stderr


def processes_at(directory: Path) -> list[int]:
    """Return the processes that work in the directory or below, or have it on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            works_there = (entry / "cwd").resolve().is_relative_to(directory)
            at_work = works_there or str(directory).encode() in (entry / "cmdline").read_bytes()
            alive = (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            continue  # it has ended, or belongs to another user
        if at_work and alive:
            found.append(int(entry.name))
    return found
