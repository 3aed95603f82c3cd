"""Writes a film's frames as H.264: pictures that were encoded as stills, and everything else as plain syntax."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from cloudkon.instructions.animoto import Transition

from ..h264.bits import BitWriter
from ..h264.levels import level_of
from ..h264.motion import AFTER, BEFORE, moved
from ..h264.nal import Nal
from ..h264.pps import Pps
from ..h264.slice_data import moving, skipped
from ..h264.slice_header import Deblocking, SliceHeader, SliceKind
from ..h264.sps import MACROBLOCK, Sps
from ..mp4.track import VideoTrack
from ..mp4.writer import Location, Mp4Writer
from ..timeline.film import Film
from ..timeline.plan import Blend, Hold
from ..timeline.wipe_geometry import seam_at
from .stills import CodedStill, Still

_KEY_SECONDS: Final = 8
"""Seconds. A picture is inserted again, for players to begin at, where the last such place is this far back. It costs
the picture's bytes once more and no encoding. x264's own default is 250 frames."""
_SMALL: Final = 4096
"""Bytes. Smaller stills are inserted again every second: black, white, and the like."""
_LONGEST_DISTANCE: Final = 127
"""Distance between pictures that are blended (8.4.2.3.1)."""
_WRITTEN_PPS = Pps(number=1, cabac=False, implicit_weights=True)
"""The parameter set of written slices."""
_SHARP = Deblocking(off=True)


class FrameWriter:
    """Writes segments as frames, in order.

    The first frame of each picture is its still. A key frame (IDR) discards all frames before it. In a film with
    transitions most stills are not key frames, because transitions also need the picture before. The two pictures of a
    transition are the only references: the last frame that shows the first picture alone, and the first frame of the
    second picture, which is coded before the frames that lead to it. So weights by distance in time are the linear
    crossfade.
    """

    def __init__(self, film: Film, first: CodedStill, writer: Mp4Writer) -> None:
        """Begin a film. ``first`` is any of its stills: all of them are coded alike."""
        self._film = film
        self._writer = writer
        self._still_pps = replace(first.pps, number=0)
        references = 2 if film.longest_transition else 1
        level = level_of(first.sps.width, first.sps.height, film.fps, references)
        self._sps = Sps(
            level=level,
            references=references,
            width=first.sps.width,
            height=first.sps.height,
            crop=first.sps.crop,
        )
        # Distances are counted in fields, as usual, where that leaves room.
        self._step = 2 if 2 * (film.longest_transition + 1) <= _LONGEST_DISTANCE else 1
        self._key = 0
        self._key_number = 0
        self._references = 0
        """Number of references since the last key frame, which is included."""
        self._ahead = False
        """Whether the next hold's first frame is written already."""
        self.last_still = Location(0, 0)
        """Where the last still was written."""
        self._skipped = skipped(self._sps.macroblocks)
        self._moving: dict[tuple[Transition, int, int], BitWriter] = {}

    def hold(self, hold: Hold, still: Still, *, blends: bool) -> None:
        """Write the frames that show one picture; ``blends`` says whether a blend follows."""
        end = hold.first + hold.frames
        interval = self._film.fps * (1 if still.size <= _SMALL else _KEY_SECONDS)
        for frame in range(hold.first + self._ahead, end):
            if frame == hold.first or frame - self._key >= interval:
                self._write_key(still, frame)
            else:
                self._write_written(SliceKind.P, frame, self._skipped, reference=blends and frame == end - 1)
        self._ahead = False

    def blend(self, blend: Blend, after: Still) -> None:
        """Write a blend from the held picture to another one, and the still of that one before it."""
        target = blend.first + blend.frames
        header = self._header(SliceKind.I, target, reference=True)
        self._write_still(header, after, target)
        self._ahead = True
        for number in range(blend.frames):
            data = self._skipped if blend.kind is Transition.CROSSFADE else self._moved(blend, number)
            self._write_written(SliceKind.B, blend.first + number, data, reference=False)

    def read_still(self, place: Location) -> Still:
        """Read a still that was written before."""
        return Still.of(Nal.of(self._writer.read(place)), self._sps, self._still_pps)

    def finish(self, music: Path | None) -> None:
        """Write the video file, with the music in that file if there is any."""
        film = self._film
        sets = [self._still_pps.to_nal(), _WRITTEN_PPS.to_nal()]
        sps = self._sps.to_nal(film.fps, reorder=1 if film.longest_transition else 0)
        self._writer.finish(VideoTrack(film.width, film.height, film.fps, sps, sets), music)

    def _write_key(self, still: Still, frame: int) -> None:
        self._key, self._references = frame, 0
        self._key_number ^= 1
        header = SliceHeader(kind=SliceKind.I, idr=True, reference=True, idr_number=self._key_number)
        self._write_still(header, still, frame)

    def _write_still(self, header: SliceHeader, still: Still, frame: int) -> None:
        header = replace(header, qp=still.qp, deblocking=still.deblocking)
        unit = header.to_nal(self._sps, self._still_pps, still.data)
        self.last_still = self._writer.add(unit, frame, key=header.idr)
        self._references += 1

    def _write_written(self, kind: SliceKind, frame: int, data: BitWriter, *, reference: bool) -> None:
        header = self._header(kind, frame, reference=reference)
        self._writer.add(header.to_nal(self._sps, _WRITTEN_PPS, data), frame, key=False)
        self._references += reference

    def _header(self, kind: SliceKind, frame: int, *, reference: bool) -> SliceHeader:
        return SliceHeader(
            kind=kind,
            reference=reference,
            frame_num=self._references % (1 << self._sps.frame_num_bits),
            order=(frame - self._key) * self._step % (1 << self._sps.order_bits),
            deblocking=_SHARP,
        )

    def _moved(self, blend: Blend, number: int) -> BitWriter:
        """Return the macroblocks of a wipe's or push's frame. They are the same for all pictures and computed once."""
        key = (blend.kind, blend.frames, number)
        if key not in self._moving:
            seam = seam_at(blend, number, self._film)
            left, right = (AFTER, BEFORE) if seam.after_is_left else (BEFORE, AFTER)
            at = seam.left // MACROBLOCK if seam.left < self._film.width else self._sps.width
            motions = [moved(left, seam.left_from)] * at
            motions += [moved(right, seam.right_from - seam.left)] * (self._sps.width - at)
            self._moving[key] = moving(motions, self._sps.height)
        return self._moving[key]
