"""Prepares a job's music while its pictures arrive, and cuts it to the film's length when that is known."""

from fractions import Fraction
from math import ceil
from pathlib import Path

import trio

from cloudkon.errors import CloudKonError, PermanentFailure

from ..fetch.fetch import Fetcher
from ..ffmpeg.ffmpeg_process import FfmpegFailed, run_ffmpeg
from ..mp4.sound import CHANNELS, RATE
from ..pictures.missing import Outlook, Unusable, display_link
from .loudness import TOO_DAMAGED, Level, level_for, measured
from .sound_format import DECODERS, demuxer_of

_KILOBITS = 192
"""Kilobits a second. At this rate few people hear the difference."""
_FADE_IN, _FADE_OUT = Fraction(1, 2), Fraction(2)
"""Seconds; for short films at most an eighth and a quarter of the film."""
_MEASURED = Fraction(3)
"""Seconds of music that are measured, at least: loudness is computed from blocks of 0.4 s."""
_STEREO = [f"aresample={RATE}", "aformat=sample_fmts=fltp:channel_layouts=stereo"]


class Soundtrack:
    """The music of a link, as loud as films are, cut or repeated to the film's length, with fades."""

    def __init__(self, link: str, longest: Fraction, fetcher: Fetcher, directory: Path) -> None:
        """``longest`` is the film's length in seconds if no picture is missing."""
        self._link = link
        self._longest = longest
        self._fetcher = fetcher
        self._directory = directory
        self._music = directory / "music"
        self._ready = trio.Event()
        self._demuxer = ""
        self._level = Level()
        self._made: tuple[Fraction, Path] | None = None

    async def prepare(self) -> None:
        """Fetch and measure the music, and encode it for the whole film.

        Raises an error that names the link and the reason: ``PermanentFailure`` if another try can't help.
        """
        try:
            await self._fetcher.fetch(self._link, self._music)
            self._demuxer = await trio.to_thread.run_sync(demuxer_of, self._music)
            self._level = await self._measure()
        except Unusable as error:
            text = f"the music can't be used, {display_link(self._link)}: {error.reason}"
            raise (PermanentFailure if error.outlook is Outlook.NEVER else CloudKonError)(text) from None
        self._made = self._longest, await self._code(self._longest)
        self._ready.set()

    async def of_length(self, seconds: Fraction) -> Path:
        """Return an AAC file for a film of that length, in the form that ``images.animoto.mp4.sound`` reads."""
        await self._ready.wait()
        if self._made is None or self._made[0] != seconds:  # pictures are missing, so the film is shorter
            self._made = seconds, await self._code(seconds)
        return self._made[1]

    async def _measure(self) -> Level:
        source = ["-t", f"{float(max(self._longest, _MEASURED)):.6f}", *self._source()]
        try:
            found = await measured(source, _STEREO, self._directory)
            if found.is_silent:
                raise Unusable("it is silent, or shorter than half a second")
            return await level_for(source, _STEREO, self._directory, found)
        except FfmpegFailed as error:
            if "matches no streams" in str(error):
                raise Unusable("there is no sound in it") from None
            if TOO_DAMAGED in str(error):
                raise Unusable("it is damaged in many places") from None
            raise Unusable(f"it can't be decoded ({str(error).splitlines()[-1].strip()})") from error

    async def _code(self, seconds: Fraction) -> Path:
        coded = self._directory / "music.aac"
        fade_in, fade_out = min(_FADE_IN, seconds / 8), min(_FADE_OUT, seconds / 4)
        filters = [
            *_STEREO,
            *self._level.filters(),
            "apad",  # only used if the music can't be repeated
            f"atrim=end_sample={ceil(seconds * RATE)}",
            f"afade=t=in:d={float(fade_in):.6f}",
            f"afade=t=out:st={float(seconds - fade_out):.6f}:d={float(fade_out):.6f}",
        ]
        form = ["-c:a", "aac", "-b:a", f"{_KILOBITS}k", "-ac", str(CHANNELS), "-flags:a", "+bitexact", "-f", "adts"]
        arguments = ["-stream_loop", "-1", *self._source(), "-map", "0:a:0", "-af", ",".join(filters), *form]
        await run_ffmpeg(["-y", *arguments, coded.name], directory=self._directory)
        return coded

    def _source(self) -> list[str]:
        """Return the music as an input of ffmpeg.

        ffmpeg opens only this file, in its detected format, and ignores pictures in it.
        """
        guard = ["-protocol_whitelist", "file", "-codec_whitelist", DECODERS]
        return [*guard, "-f", self._demuxer, "-i", self._music.name]
