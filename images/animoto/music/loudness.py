"""Loudness: how loud sound is to people, and how much louder it has to be (ITU-R BS.1770, EBU R 128)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..ffmpeg.ffmpeg_process import run_ffmpeg

WANTED = -14.0
"""LUFS: what the large video sites turn louder ones down to, and leave quieter ones below."""
HIGHEST_PEAK = -1.0
"""dBTP. Above it decoders and loudspeakers may clip."""
_ROOM = 0.5
"""dB below it that is left to the encoder, which moves peaks a little."""
_CLOSE = 0.3
"""LU within which it is good."""
_QUIETEST = -60.0
"""LUFS. What is below is the noise of a microphone, and would be made into a roar."""
_DAMAGED = 0.05
"""Of its frames, how many can't be decoded in what is refused: a bad one now and then is a click. ffmpeg says so by its
status, but by default of two thirds only."""
TOO_DAMAGED = "status 69"
_TRIES = 3
"""Measurements behind a limiter, whose losses are given back after each. Each decodes the music once."""
_LIMITED_RATE = 96_000
"""Samples a second at which peaks are limited: between those of 48 kHz they may rise higher than either."""


class Loudness(NamedTuple):
    """Of a whole piece; minus infinity for silence."""

    integrated: float
    """LUFS."""
    peak: float
    """dBTP."""

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing to be heard in it."""
        return self.integrated < _QUIETEST


class Level(NamedTuple):
    """What is done to the sound: so many dB louder, and whether peaks are limited."""

    gain: float = 0.0
    limited: bool = False

    def filters(self) -> list[str]:
        """As ffmpeg's."""
        louder = [f"volume={self.gain:.2f}dB"]
        if not self.limited:
            return louder
        most = 10 ** ((HIGHEST_PEAK - _ROOM) / 20)
        # ``latency`` takes the limiter's look-ahead away again, and ``level`` would make all louder behind it.
        limiter = f"alimiter=limit={most:.4f}:level=false:latency=true"
        return [*louder, f"aresample={_LIMITED_RATE}", limiter, "aresample=48000"]


async def measured(source: Sequence[str], filters: Sequence[str], directory: Path) -> Loudness:
    """The loudness of what the filters make of ffmpeg's input ``source``. Its length does not matter to memory.

    Raises ``FfmpegFailed``, with ``TOO_DAMAGED`` in it for sound with gaps all over.
    """
    meter = _Meter()
    graph = ",".join([*filters, "ebur128=metadata=1:peak=true", "ametadata=mode=print:file=-"])
    arguments = ["-max_error_rate", str(_DAMAGED), *source, "-map", "0:a:0", "-af", graph, "-f", "null", "-"]
    await run_ffmpeg(arguments, directory=directory, on_output=meter.on_output)
    return meter.found


async def level_for(source: Sequence[str], filters: Sequence[str], directory: Path, found: Loudness) -> Level:
    """What makes sound of the loudness ``found`` as loud as wanted, by measuring what comes of it."""
    level = Level(WANTED - found.integrated)
    if found.peak + level.gain <= HIGHEST_PEAK - _ROOM:
        return level
    for _try in range(_TRIES):
        level = Level(level.gain, limited=True)
        now = await measured(source, [*filters, *level.filters()], directory)
        lack = WANTED - now.integrated
        if abs(lack) <= _CLOSE:
            break
        level = Level(level.gain + lack, limited=True)
    return level


class _Meter:
    """Reads what the filter says of each tenth of a second; the last word holds for all."""

    def __init__(self) -> None:
        self._rest = b""
        self.found = Loudness(-math.inf, -math.inf)

    async def on_output(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            name, _, value = line.partition(b"=")
            if name == b"lavfi.r128.I":
                self.found = self.found._replace(integrated=float(value))
            elif name == b"lavfi.r128.true_peak":
                self.found = self.found._replace(peak=_decibels(float(value)))


def _decibels(amplitude: float) -> float:
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf
