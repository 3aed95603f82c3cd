"""Lists the ways to render a slideshow of one second a picture, each as a command."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from imageio_ffmpeg import get_ffmpeg_exe

from benchmarks.harness.peers_environment import peers_python

FPS = 30
COLOURS = (
    "zscale=matrixin=470bg:rangein=full:matrix=709:range=limited:primariesin=709:primaries=709:transferin=709"
    ":transfer=709:chromal=left,format=yuv420p"
)
"""Converts a JPEG's colours to a video's, the same for all ways: ffmpeg's own default would shift them."""
_CODED = ("-c:v", "libx264", "-crf", "18", "-r", str(FPS), "-movflags", "+faststart")
_FADE = 0.5
"""Seconds."""


NAIVE = "ffmpeg -framerate 1, medium"
VERYFAST = "ffmpeg -framerate 1, veryfast"
FEW = 10
"""Pictures for ways that take ten seconds or more for each; what they use is scaled to all pictures."""


class Approach(NamedTuple):
    """One way and its command; ``makes_video`` is false for a step that makes no video."""

    name: str
    command: list[str | Path]
    makes_video: bool = True
    shows_pictures: bool = True
    """Whether its frames can be compared with the pictures; they can't where pictures move."""
    pictures: int = 0
    """The number of pictures that it renders, from the first on; 0 means all."""


def approaches(pictures: Path, count: int, size: str, video: Path) -> Iterator[Approach]:
    """All ways; each overwrites ``video``."""
    few = min(FEW, count)
    yield from _ours(pictures, size, video, few)
    yield from _theirs(pictures, video, count, few)


def music_beside(pictures: Path) -> Path:
    """The path of the music file, for the way that uses one."""
    return pictures / "music.mp3"


def _ours(pictures: Path, size: str, video: Path, few: int) -> Iterator[Approach]:
    ours: list[str | Path] = [sys.executable, "-m", "benchmarks.render.our_renderer", pictures, video, "--options"]
    yield Approach("floor: start Python", [*ours, f"--size {size}", "--only", "nothing"], makes_video=False)
    yield Approach("floor: decode", [*ours, f"--size {size}", "--only", "pictures"], makes_video=False)
    yield Approach("floor: decode, code stills", [*ours, f"--size {size}", "--only", "stills"], makes_video=False)
    for options in (
        "--quality fast",
        "--quality standard",
        "--quality best",
        "--transition crossfade",
        "--transition fade-black",
        "--transition wipe",
        "--transition push",
    ):
        yield Approach(f"cloudkon {options}", [*ours, f"--size {size} {options}"])
    with_music = [*ours, f"--size {size}", "--music", music_beside(pictures)]
    yield Approach("cloudkon --quality standard, with music", with_music)
    moving = [*ours, f"--size {size} --motion kenburns", "--most", str(few)]
    yield Approach("cloudkon --motion kenburns", moving, shows_pictures=False, pictures=few)


def _theirs(pictures: Path, video: Path, count: int, few: int) -> Iterator[Approach]:
    start: list[str | Path] = [get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"]
    sequence = [*start, "-framerate", "1", "-i", pictures / "%03d.jpg", "-frames:v", str(count * FPS), "-vf", COLOURS]
    for name, preset in ((VERYFAST, "veryfast"), (NAIVE, "medium")):
        yield Approach(name, [*sequence, *_CODED, "-preset", preset, video])
    listed = [*start, "-f", "concat", "-safe", "0", "-i", _concat_list(pictures), "-vf", COLOURS]
    yield Approach("ffmpeg concat demuxer, veryfast", [*listed, *_CODED, "-preset", "veryfast", video])
    inputs = [word for number in range(1, count + 1) for word in _looped(pictures / f"{number:03}.jpg", number, count)]
    chained = [*start, *inputs, "-filter_complex", _chain(count), "-map", "[out]"]
    yield Approach("ffmpeg xfade chain, veryfast", [*chained, *_CODED, "-preset", "veryfast", video])
    clips: list[str | Path] = [peers_python(), "-m", "benchmarks.render.moviepy_clips", pictures, video]
    yield Approach("moviepy, veryfast", [*clips, str(count)])
    fading = [*clips, str(few), "--fade", str(_FADE)]
    yield Approach("moviepy with crossfades, veryfast", fading, pictures=few)
    frames: list[str | Path] = [sys.executable, "-m", "benchmarks.render.imageio_frames", pictures, video, str(count)]
    yield Approach("imageio-ffmpeg, a frame at a time, veryfast", frames)


def _concat_list(pictures: Path) -> Path:
    files = sorted(pictures.glob("*.jpg"))
    path = pictures / "list.txt"
    # The last picture must be listed twice, or it lasts for one frame.
    lines = [f"file '{file.name}'\nduration 1\n" for file in files] + [f"file '{files[-1].name}'\n"]
    path.write_text("ffconcat version 1.0\n" + "".join(lines), encoding="utf-8")
    return path


def _looped(picture: Path, number: int, count: int) -> list[str | Path]:
    # Inner pictures last one fade longer than their second: half a fade before it and half after it.
    seconds = 1 + _FADE / (2 if number in (1, count) else 1)
    return ["-loop", "1", "-framerate", str(FPS), "-t", str(seconds), "-i", picture]


def _chain(count: int) -> str:
    parts = [f"[{number}:v]{COLOURS},settb=1/{FPS}[v{number}]" for number in range(count)]
    last = "v0"
    for number in range(1, count):
        joined = "out" if number == count - 1 else f"x{number}"
        offset = number - _FADE / 2
        parts.append(f"[{last}][v{number}]xfade=transition=fade:duration={_FADE}:offset={offset}[{joined}]")
        last = joined
    return ";".join(parts)
