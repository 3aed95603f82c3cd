"""Measures how similar a video's frames are to its pictures: SSIM (1 is identical) and VMAF (100 is identical)."""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from imageio_ffmpeg import get_ffmpeg_exe

from benchmarks.render.approaches import COLOURS, FPS


class Similarity(NamedTuple):
    """Means over all pictures."""

    ssim: float
    vmaf: float


def similarity(video: Path, pictures: Path) -> Similarity:
    """Compare the frame in the middle of each picture's second with the picture, up to the video's end."""
    graph = (
        f"[0:v]select='eq(mod(n,{FPS}),{FPS // 2})',setpts=N/TB[shown];"
        f"[1:v]{COLOURS},setpts=N/TB[meant];[shown]split[shown1][shown2];[meant]split[meant1][meant2];"
        "[shown1][meant1]ssim=shortest=1,nullsink;[shown2][meant2]libvmaf=shortest=1:n_threads=2"
    )
    output = subprocess.run(
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
    ssim, vmaf = re.search(r"SSIM .*All:([0-9.]+)", output), re.search(r"VMAF score: ([0-9.]+)", output)
    if ssim is None or vmaf is None:
        raise SystemExit(f"ffmpeg printed no SSIM and VMAF: {output[-300:]}")
    return Similarity(float(ssim[1]), float(vmaf[1]))
