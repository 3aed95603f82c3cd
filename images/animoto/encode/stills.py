"""Stills: pictures coded one by one, by x264 in ffmpeg, as material for a film that is written."""

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
"""Stills take a lower number than films: in films x264 puts more into what it will repeat, and then refines it.
CABAC would take a seventh off the bytes, and 17 of 56 ms a picture of 1080p are its own. The quantiser of the second
rounds to nothing less often, and as many bytes more as that takes would give less at a lower number."""
_THREADS = 2
"""Pictures that are coded at a time."""
_AHEAD = 5
"""Pictures that ffmpeg has, of which no still came yet. Its queues would take some twenty, and each of 1080p has 6 MB.
With three, none would come: x264 keeps one back a thread, and a still is known to be whole when the next begins."""
_PATIENCE = 5.0
"""Seconds after which ffmpeg gets one more all the same, should another version want that. It keeps the room then."""
_LONGEST_HEADER = 64
"""Bytes in which a slice's header ends."""
_X264 = "keyint=1:scenecut=0:qcomp=1:sliced-threads=0:rc-lookahead=0:sync-lookahead=0"
"""Each picture by itself, of the same quality whatever came before it, as one slice. Nothing is looked ahead for."""


@dataclass(frozen=True, slots=True)
class Still:
    """A coded picture: its macroblocks as CABAC's bytes or CAVLC's bits, and what a slice must say of them."""

    qp: int
    """slice_qp_delta."""
    deblocking: Deblocking | None
    data: bytes | BitWriter

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data) if isinstance(self.data, bytes) else -(-len(self.data) // 8)

    @classmethod
    def of(cls, nal: Nal, sps: Sps, pps: Pps) -> Self:
        """What a slice holds."""
        header, bits = read_slice(nal._replace(payload=nal.payload[:_LONGEST_HEADER]), sps, pps)
        if header.kind is not SliceKind.I:
            raise Unsupported("a slice is not intra-coded")
        if pps.cabac:  # cabac_alignment_one_bit, 7.3.4
            return cls(header.qp, header.deblocking, nal.payload[-(-bits.position // 8) :])
        return cls(header.qp, header.deblocking, BitWriter.of(nal.payload, bits.position))


@dataclass(frozen=True, slots=True)
class CodedStill:
    """A still with the parameter sets that it was coded under."""

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
    """Code each picture, in order, into ``sink``, which is closed behind the last. It is full until it is taken from.

    Some pictures are on their way at a time: the first still may come only when the fourth picture went in.
    """
    reader = _StillReader()
    room = trio.Semaphore(_AHEAD)

    async def paced() -> AsyncGenerator[Pixels, None]:
        following = aiter(pictures)
        while True:
            # Room first, and the picture then: it is not to lie here while it waits.
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
    """Takes the stills out of x264's stream."""

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
