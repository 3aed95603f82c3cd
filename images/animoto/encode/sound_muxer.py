"""Adds music to a video that ffmpeg made, with ffmpeg, without encoding either again."""

from fractions import Fraction
from pathlib import Path

from ..ffmpeg.ffmpeg_process import PROTOCOLS, run_ffmpeg
from ..mp4.sound import PRIMING, RATE
from .renderer import Music


async def add_music(music: Music, seconds: Fraction, silent: Path, video: Path) -> None:
    """Make ``video`` of the video ``silent``, which has that length and is removed, and of its music."""
    track = await music(seconds)
    pictures = ["-protocol_whitelist", PROTOCOLS, "-i", str(silent)]
    # AAC begins before the film, by the samples that its encoder puts before the first one: that becomes an edit list.
    ahead = ["-itsoffset", f"{-PRIMING / RATE:.9f}"]
    sound = ["-protocol_whitelist", PROTOCOLS, *ahead, "-f", "aac", "-i", str(track)]
    copied = ["-c", "copy", "-movflags", "+faststart", "-fflags", "+bitexact", "-map_metadata", "-1", "-y"]
    await run_ffmpeg([*pictures, *sound, "-map", "0:v", "-map", "1:a", *copied, str(video)], directory=video.parent)
    silent.unlink()  # noqa: ASYNC240  (it only removes a directory entry, in microseconds)
