"""Makes sound files of the usual kinds with ffmpeg, and reads them back."""

import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
from imageio_ffmpeg import get_ffmpeg_exe

Samples = npt.NDArray[np.float32]
RATE = 48_000

CHORD = "0.1*sin(2*PI*220*t)+0.05*sin(2*PI*331*t)"
"""A steady sound, quieter than films are."""
DRUMS = "0.9*exp(-mod(t,0.5)*30)*sin(2*PI*200*t)"
"""A beat every half second, with peaks far above the mean."""
CLICKS = "lt(mod(t*48000+0.5,48000),1)*0.9"
"""One sample each second, from the first on."""


def sound(path: Path, what: str = CHORD, seconds: float = 3.0, rate: int = 44_100, *options: str) -> Path:
    """Write a mono sound; the file name's extension selects the kind of file."""
    made = f"aevalsrc='{what}':s={rate}:d={seconds}"
    run(["-f", "lavfi", "-i", made, *options, path])
    return path


def run(arguments: list[str | Path]) -> bytes:
    command: list[str | Path] = [get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def heard(film: Path) -> Samples:
    """Return what a player plays: samples x 2 of 48 kHz, -1 to 1."""
    raw = run(["-i", film, "-map", "0:a", "-f", "f32le", "-c:a", "pcm_f32le", "-"])
    return np.frombuffer(raw, np.float32).reshape(-1, 2)
