"""Likeness: how much of the pictures is in a video, to arithmetic (SSIM, 1 is all) and to people (VMAF, 100 is all)."""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from imageio_ffmpeg import get_ffmpeg_exe

from benchmarks.render.contestants import COLOURS, FPS


class Likeness(NamedTuple):
    """Means over all pictures."""

    ssim: float
    vmaf: float


def likeness(video: Path, pictures: Path) -> Likeness:
    """Of the frame in the middle of each picture's second, as far as the video goes."""
    graph = (
        f"[0:v]select='eq(mod(n,{FPS}),{FPS // 2})',setpts=N/TB[shown];"
        f"[1:v]{COLOURS},setpts=N/TB[meant];[shown]split[shown1][shown2];[meant]split[meant1][meant2];"
        "[shown1][meant1]ssim=shortest=1,nullsink;[shown2][meant2]libvmaf=shortest=1:n_threads=2"
    )
    said = subprocess.run(
        [
            get_ffmpeg_exe(),
            "-nostdin",
            "-hide_banner",
            "-i",
            video,
            "-framerate",
            "1",
            "-i",
            pictures / "%03d.jpg",
            "-lavfi",
            graph,
            "-fps_mode",
            "passthrough",
            "-f",
            "null",
            "-",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stderr
    ssim, vmaf = re.search(r"SSIM .*All:([0-9.]+)", said), re.search(r"VMAF score: ([0-9.]+)", said)
    if ssim is None or vmaf is None:
        raise SystemExit(f"ffmpeg gave no SSIM and VMAF: {said[-300:]}")
    return Likeness(float(ssim[1]), float(vmaf[1]))
