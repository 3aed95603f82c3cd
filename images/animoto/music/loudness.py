"""Measures how loud people hear sound, and computes how much louder it must be (ITU-R BS.1770, EBU R 128)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..ffmpeg.ffmpeg_process import run_ffmpeg

WANTED = -14.0
"""LUFS. The large video sites turn louder videos down to this, and leave quieter ones as they are."""
HIGHEST_PEAK = -1.0
"""dBTP. Above it decoders and loudspeakers may clip."""
_ROOM = 0.5
"""dB below that peak, left as a margin for the encoder, which moves peaks a little."""
_CLOSE = 0.3
"""LU; a result this close is good enough."""
_QUIETEST = -60.0
"""LUFS. Anything below is a microphone's noise, and would be amplified to a roar."""
_DAMAGED = 0.05
"""Part of the frames that can't be decoded, from which on music is refused: single bad frames only click. ffmpeg
reports it by its status, but by default only from two thirds on."""
TOO_DAMAGED = "status 69"
_TRIES = 3
"""Measurements behind a limiter. What the limiter takes away is added back after each. Each one decodes the music
once."""
_LIMITED_RATE = 96_000
"""Samples a second for limiting peaks: between samples of 48 kHz the signal may rise higher than at them."""


class Loudness(NamedTuple):
    """Loudness of a whole piece; minus infinity for silence."""

    integrated: float
    """LUFS."""
    peak: float
    """dBTP."""

    @property
    def is_silent(self) -> bool:
        """Whether nothing can be heard."""
        return self.integrated < _QUIETEST


class Level(NamedTuple):
    """The change of a sound: a gain in dB, and whether peaks are limited."""

    gain: float = 0.0
    limited: bool = False

    def filters(self) -> list[str]:
        """Return the change as ffmpeg filters."""
        louder = [f"volume={self.gain:.2f}dB"]
        if not self.limited:
            return louder
        most = 10 ** ((HIGHEST_PEAK - _ROOM) / 20)
        # ``latency`` removes the delay of the limiter's look-ahead; ``level`` would amplify everything after it.
        limiter = f"alimiter=limit={most:.4f}:level=false:latency=true"
        return [*louder, f"aresample={_LIMITED_RATE}", limiter, "aresample=48000"]


async def measured(source: Sequence[str], filters: Sequence[str], directory: Path) -> Loudness:
    """Measure the loudness of ffmpeg's input ``source`` after the filters. Memory does not grow with its length.

    Raises ``FfmpegFailed``, with ``TOO_DAMAGED`` in it for sound with many gaps.
    """
    meter = _Meter()
    graph = ",".join([*filters, "ebur128=metadata=1:peak=true", "ametadata=mode=print:file=-"])
    arguments = ["-max_error_rate", str(_DAMAGED), *source, "-map", "0:a:0", "-af", graph, "-f", "null", "-"]
    await run_ffmpeg(arguments, directory=directory, on_output=meter.on_output)
    return meter.found


async def level_for(source: Sequence[str], filters: Sequence[str], directory: Path, found: Loudness) -> Level:
    """Return the change that makes sound of the loudness ``found`` as loud as wanted, found by measuring the result."""
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
    """Reads the filter's report for each tenth of a second; the last one holds for the whole piece."""

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
