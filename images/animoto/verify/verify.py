"""Checks a video's frames, times, size, sound and file layout, before its address is reported."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from cloudkon.errors import CloudKonError

from ..ffmpeg.ffmpeg_process import PROTOCOLS, run_ffmpeg
from ..mp4.sound import FRAME, PRIMING, RATE
from ..timeline.film import Film


class BadVideo(CloudKonError):
    """The video differs from the film that was to be made."""


async def verify(video: Path, film: Film, frames: int, *, sound: bool = False) -> list[int]:
    """Raise ``BadVideo`` unless the video has the film's frames, times, size and sound, and its index in front.

    Returns the frames (from 0, in the order of display) at which players can begin. ffmpeg lists the video's packets
    without decoding them, which takes under a second for an hour of video.
    """
    packets = _Packets(frames, _Sound(Fraction(frames, film.fps)) if sound else None)
    arguments = ["-protocol_whitelist", PROTOCOLS, "-i", str(video), "-map", "0", "-c", "copy", "-f", "framecrc", "-"]
    await run_ffmpeg(arguments, directory=video.parent, on_output=packets.on_output)
    packets.check(film)
    order = [kind for kind in _boxes(video) if kind in {"moov", "mdat"}]
    if order != ["moov", "mdat"]:
        raise BadVideo(
            f"the order of the video's parts is {', '.join(order)}: players could not begin before its last byte"
        )
    return packets.keys


class _Packets:
    """Reads ffmpeg's framecrc lines: ``#name 0: value``, then ``stream, dts, pts, duration, size, crc``."""

    def __init__(self, expected: int, sound: "_Sound | None") -> None:
        self._rest = b""
        self._sound = sound
        self.keys: list[int] = []
        self._seen = bytearray(expected)
        self._count = 0
        self._facts: dict[str, str] = {}
        self._fault = ""

    async def on_output(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._read(line.decode(errors="replace"))

    def _read(self, line: str) -> None:
        if line.startswith("#"):
            name, _, value = line[1:].partition(":")
            self._facts[name.strip()] = value.strip()
            return
        stream, _dts, pts, duration, _size, _crc, *flags = (field.strip() for field in line.split(","))
        if stream == "1" and self._sound:
            self._sound.add(int(pts), int(duration))
            return
        if stream != "0":
            self._fault = "it has more than one stream"
            return
        self._count += 1
        frame, rest = divmod(int(pts), max(1, int(duration)))
        if rest or not 0 <= frame < len(self._seen) or self._seen[frame]:
            self._fault = self._fault or f"a frame is shown at {pts} for {duration}, off the constant rate"
        else:
            self._seen[frame] = 1
        if not any(flag.startswith("F=") for flag in flags):  # flags are listed unless they are just "key"
            self.keys.append(frame)
        self._facts.setdefault("duration", duration)
        if duration != self._facts["duration"]:
            self._fault = self._fault or f"frames last {self._facts['duration']} and {duration}"

    def check(self, film: Film) -> None:
        if self._count != len(self._seen):
            raise BadVideo(f"the video has {self._count} frames, not {len(self._seen)}")
        if self._fault:
            raise BadVideo(f"the video is not right: {self._fault}")
        if self._facts["codec_id 0"] != "h264":
            raise BadVideo(f"the video is coded as {self._facts['codec_id 0']}, not h264")
        if self._facts["dimensions 0"] != f"{film.width}x{film.height}":
            raise BadVideo(f"the video has {self._facts['dimensions 0']} pixels, not {film.width}x{film.height}")
        numerator, denominator = (int(part) for part in self._facts["tb 0"].split("/"))
        if int(self._facts["duration"]) * numerator * film.fps != denominator:
            raise BadVideo(f"the video does not have {film.fps} frames a second")
        if self._sound:
            self._sound.check(self._facts)


class _Sound:
    """Checks the sound's packets: AAC without gaps, from the film's first frame to its last."""

    def __init__(self, seconds: Fraction) -> None:
        self._samples = seconds * RATE
        """Length of the film."""
        self._end = -PRIMING
        self._has_gap = False

    def add(self, at: int, samples: int) -> None:
        self._has_gap = self._has_gap or at != self._end
        self._end = at + samples

    def check(self, facts: Mapping[str, str]) -> None:
        coded = facts.get("codec_id 1"), facts.get("tb 1")
        if coded != ("aac", f"1/{RATE}"):
            raise BadVideo(f"the sound is coded as {coded[0]} with a clock of {coded[1]} s, not as aac with 1/{RATE}")
        if self._has_gap:
            raise BadVideo("the sound has gaps, or does not begin with the video")
        if not 0 <= self._end - self._samples < FRAME:
            raise BadVideo(
                f"the sound ends at {self._end / RATE:.3f} s, and the video at {float(self._samples / RATE):.3f} s"
            )


def _boxes(video: Path) -> list[str]:
    """Return the kinds of an MP4 file's outermost boxes (ISO 14496-12, 4.2)."""
    kinds = []
    with video.open("rb") as file:
        end = video.stat().st_size
        at = 0
        while at + 8 <= end:
            file.seek(at)
            head = file.read(16)
            size = int.from_bytes(head[:4], "big")
            if size == 1:
                size = int.from_bytes(head[8:16], "big")
            kinds.append(head[4:8].decode("latin-1"))
            # 0 means "to the end of the file"; less than a box header's 8 bytes is damage, and ends the walk too.
            at = at + size if size >= 8 else end  # noqa: PLR2004  (a box header's bytes)
    return kinds
