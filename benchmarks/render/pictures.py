"""Generates photo-like pictures, the same for each seed, with soft shapes, edges and sensor noise; and music."""

import subprocess
from pathlib import Path

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

_NOISE = 2.5
"""Standard deviation of the noise, on a scale of 255: a good camera in daylight."""


def make_pictures(directory: Path, count: int, width: int, height: int) -> list[Path]:
    """Write ``count`` JPEGs named 001.jpg and so on."""
    paths = []
    for number in range(1, count + 1):
        path = directory / f"{number:03}.jpg"
        _photo(number, width, height).save(path, quality=92)
        paths.append(path)
    return paths


def make_music(path: Path) -> None:
    """Write 40 s of three tones with a beat, as MP3."""
    tones = "+".join(f"0.1*sin(2*PI*{pitch}*t)" for pitch in (220, 277, 330))
    source = f"aevalsrc='({tones})*(0.4+0.6*exp(-6*mod(t,0.5)))':s=44100:d=40"
    command = [get_ffmpeg_exe(), "-nostdin", "-v", "error", "-f", "lavfi", "-i", source, "-ac", "2", "-b:a", "192k"]
    subprocess.run([*command, path], check=True)


def _photo(seed: int, width: int, height: int) -> Image.Image:
    chance = np.random.default_rng(seed)
    soft = _scaled(chance.integers(0, 256, (5, 8, 3), dtype=np.uint8), width, height, Image.Resampling.BICUBIC)
    edges = _scaled(chance.integers(0, 256, (18, 32, 3), dtype=np.uint8), width, height, Image.Resampling.NEAREST)
    mask = _scaled(chance.integers(0, 256, (6, 10), dtype=np.uint8), width, height, Image.Resampling.BICUBIC)
    share = (mask > 190)[..., None] * 0.5  # noqa: PLR2004  (about a quarter of the picture has edges)
    mixed = soft * (1 - share) + edges * share + chance.normal(0, _NOISE, (height, width, 1))
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))


def _scaled(
    coarse: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]", width: int, height: int, how: int
) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.asarray(Image.fromarray(coarse).resize((width, height), how))
