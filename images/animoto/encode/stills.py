"""Encodes pictures one by one, with x264 in ffmpeg, as material for a film that is written."""

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Self

import ffmpeg
import trio

from cloudkon.instructions.animoto import Quality

from ..ffmpeg.ffmpeg_process import Bounds, run_ffmpeg
from ..h264.bits import BitWriter
from ..h264.nal import Nal, NalType, StreamSplitter
from ..h264.pps import Pps
from ..h264.slice_header import Deblocking, SliceKind, read_slice
from ..h264.sps import Sps
from ..h264.unsupported import Unsupported
from ..timeline.film import Film, Pixels
from .ffmpeg_io import EncoderSettings, pictures_from_pipe

ENCODER_SETTINGS = {
    Quality.FAST: EncoderSettings("ultrafast", 15, "cabac=0"),
    Quality.STANDARD: EncoderSettings("veryfast", 13, "cabac=0:aq-mode=2:deadzone-intra=6"),
    Quality.BEST: EncoderSettings("medium", 13, "cabac=1:aq-mode=2"),
}
"""Stills get a lower number than films: in films x264 puts more bits into pictures that it will repeat, and then
refines them. CABAC would save a seventh of the bytes; it takes 17 of the 56 ms that a picture of 1080p needs. The
quantiser of the second rounds to zero less often. As many bytes spent on a lower number would give less quality."""
_THREADS = 2
"""Pictures that are encoded at a time."""
_AHEAD = 5
"""Pictures that ffmpeg has received and whose stills have not arrived yet. Its queues would take some twenty, and each
of 1080p has 6 MB. With three, no still would arrive: x264 keeps back one a thread, and a still is known to be complete
only when the next one begins."""
_PATIENCE = 5.0
"""Seconds after which ffmpeg gets one more picture, in case another version needs that. The limit is then one
higher."""
_LONGEST_HEADER = 64
"""Bytes; a slice's header is shorter."""
_X264 = "keyint=1:scenecut=0:qcomp=1:sliced-threads=0:rc-lookahead=0:sync-lookahead=0"
"""Each picture is coded by itself, with the same quality whatever came before it, as one slice, without look-ahead."""


@dataclass(frozen=True, slots=True)
class Still:
    """An encoded picture: its macroblocks as CABAC's bytes or CAVLC's bits, and what its slice header must contain."""

    qp: int
    """slice_qp_delta."""
    deblocking: Deblocking | None
    data: bytes | BitWriter

    @property
    def size(self) -> int:
        """Size in bytes."""
        return len(self.data) if isinstance(self.data, bytes) else -(-len(self.data) // 8)

    @classmethod
    def of(cls, nal: Nal, sps: Sps, pps: Pps) -> Self:
        """Read the still from a slice."""
        header, bits = read_slice(nal._replace(payload=nal.payload[:_LONGEST_HEADER]), sps, pps)
        if header.kind is not SliceKind.I:
            raise Unsupported("a slice is not intra-coded")
        if pps.cabac:  # cabac_alignment_one_bit, 7.3.4
            return cls(header.qp, header.deblocking, nal.payload[-(-bits.position // 8) :])
        return cls(header.qp, header.deblocking, BitWriter.of(nal.payload, bits.position))


@dataclass(frozen=True, slots=True)
class CodedStill:
    """A still with the parameter sets that it was encoded under."""

    still: Still
    sps: Sps
    pps: Pps


async def encode_stills(
    pictures: AsyncIterable[Pixels],
    film: Film,
    quality: Quality,
    directory: Path,
    bounds: Bounds,
    sink: trio.MemorySendChannel[CodedStill],
) -> None:
    """Encode each picture, in order, into ``sink``, and close ``sink`` after the last one.

    A full ``sink`` makes ffmpeg wait. Several pictures are in the encoder at a time: the first still may arrive only
    after the fourth picture was sent.
    """
    reader = _StillReader()
    room = trio.Semaphore(_AHEAD)

    async def paced() -> AsyncGenerator[Pixels, None]:
        following = aiter(pictures)
        while True:
            # First the free place and then the picture: it must not stay in memory here while it waits.
            with trio.move_on_after(_PATIENCE):
                await room.acquire()
            try:
                yield await anext(following)
            except StopAsyncIteration:
                return

    async def on_output(piece: bytes) -> None:
        for still in reader.feed(piece):
            room.release()
            await sink.send(still)

    async with sink, aclosing(paced()) as feed:
        command = ffmpeg.compile(_graph(film, quality), cmd="ffmpeg")
        await run_ffmpeg(command[1:], directory=directory, feed=feed, on_output=on_output, bounds=bounds)
        for still in reader.end():
            await sink.send(still)


def _graph(film: Film, quality: Quality) -> object:
    return (
        pictures_from_pipe(film, Fraction(1))
        .output(
            "pipe:1",
            format="h264",
            vcodec="libx264",
            preset=ENCODER_SETTINGS[quality].preset,
            crf=ENCODER_SETTINGS[quality].crf,
            threads=_THREADS,
            fps_mode="passthrough",
            flush_packets=1,
            **{"x264-params": f"{_X264}:{ENCODER_SETTINGS[quality].parameters}", "flags:v": "+bitexact"},
        )
        .global_args("-filter_complex_threads", "1")
    )


class _StillReader:
    """Reads the stills from x264's stream."""

    def __init__(self) -> None:
        self._splitter = StreamSplitter()
        self._sps: Sps | None = None
        self._pps: Pps | None = None

    def feed(self, piece: bytes) -> list[CodedStill]:
        return [still for nal in self._splitter.feed(piece) for still in self._take(nal)]

    def end(self) -> list[CodedStill]:
        return [still for nal in self._splitter.end() for still in self._take(nal)]

    def _take(self, nal: Nal) -> list[CodedStill]:
        if nal.type == NalType.SPS:
            self._sps = Sps.of(nal)
        elif nal.type == NalType.PPS:
            self._pps = Pps.of(nal)
        elif nal.type in (NalType.SLICE, NalType.IDR_SLICE):
            if self._sps is None or self._pps is None:
                raise Unsupported("a slice comes before its parameter sets")
            still = Still.of(nal, self._sps, self._pps)
            return [CodedStill(still, self._sps, self._pps)]
        return []
