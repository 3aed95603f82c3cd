"""``animoto [--option value…] link link …``: a slideshow video of the pictures at the links."""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit

from cloudkon.errors import InvalidInstruction

EXAMPLE = "Write it as: animoto --seconds 2 https://example.org/one.jpg s3://bucket/two.png"
MOST_LINKS = 10_000
LONGEST_PICTURE = 3600
"""Seconds that one picture may be shown."""
LONGEST_VIDEO = 4 * 3600
"""Seconds; 10,000 pictures of one second each fit."""
MOST_FPS = 120
SMALLEST_SIDE, LARGEST_SIDE = 16, 4096
"""Pixels; 4096 is what H.264 decoders of phones and televisions stop at."""
NAMED_SIZES = {"720p": (1280, 720), "1080p": (1920, 1080), "4k": (3840, 2160)}

_SECONDS = re.compile(r"\d{1,9}(\.\d{1,3})?|\.\d{1,3}", re.ASCII)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)
_SIZE = re.compile(r"(\d{1,9})x(\d{1,9})", re.ASCII)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_LONGEST_KEY = 1024
"""Bytes that S3 lets a key have."""
_SHOWN = 100
"""Characters of a link or a value that an error repeats."""


class Fit(Enum):
    """How a picture of another shape than the video is fitted in."""

    CONTAIN = "contain"
    """All of it, with black bars."""
    COVER = "cover"
    """The whole frame, its overhang cut off evenly."""


class OnMissing(Enum):
    """What becomes of a video some of whose pictures can't be had."""

    FAIL = "fail"
    """No video; the error names each."""
    SKIP = "skip"
    """A video of the others; the output names each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnimotoJob:
    """One slideshow. ``seconds`` is how long each picture is shown; ``width`` and ``height`` are in pixels."""

    links: tuple[str, ...]
    seconds: Fraction = Fraction(1)
    fps: int = 30
    width: int = 1920
    height: int = 1080
    fit: Fit = Fit.CONTAIN
    on_missing: OnMissing = OnMissing.FAIL


def parse_animoto(arguments: str) -> AnimotoJob:
    """Read its arguments, or raise ``InvalidInstruction`` that names the option or link, the reason and the remedy."""
    options: dict[str, Any] = {}
    links: list[str] = []
    words = iter(_split(arguments))
    for word in words:
        if word.startswith("--"):
            _read_option(word, words, options)
        else:
            links.append(word)
    _check_links(links)
    job = AnimotoJob(links=tuple(links), **options)
    _check_length(job)
    return job


def check_animoto(arguments: str) -> None:
    """Raise ``InvalidInstruction`` if these are not its arguments."""
    parse_animoto(arguments)


def _split(arguments: str) -> list[str]:
    if not any(mark in arguments for mark in "'\"\\"):
        # The client checks every line of a workload, and shlex takes a hundred times as long as this.
        return arguments.split()
    try:
        return shlex.split(arguments)
    except ValueError as error:
        raise InvalidInstruction(
            f"animoto {arguments:.40}…",
            f"its quotes can't be read: {error}",
            "Close each quote; in a link write ' as %27, \" as %22 and \\ as %5C",
        ) from None


def _read_option(word: str, words: Iterator[str], options: dict[str, Any]) -> None:
    name, equals, value = word.partition("=")
    if name not in _OPTIONS:
        raise InvalidInstruction(
            f"animoto {name:.{_SHOWN}}", "there is no such option", "Known: " + ", ".join(_OPTIONS)
        )
    read, remedy = _OPTIONS[name]
    if not equals:
        value = next(words, "")
    if not value:
        raise InvalidInstruction(f"animoto {name}", "its value is missing", remedy)
    found = read(value)
    if isinstance(found, str):
        raise InvalidInstruction(f"animoto {name} {value:.{_SHOWN}}", found, remedy)
    if found.keys() & options.keys():
        raise InvalidInstruction(f"animoto {name} {value:.{_SHOWN}}", "the option is given twice", "Take one out")
    options.update(found)


# Each reader gives the job's fields, or the reason why it can't.


def _read_seconds(text: str) -> dict[str, Any] | str:
    if not _SECONDS.fullmatch(text):
        return "it is not a number of seconds with at most three decimals"
    seconds = Fraction(text)
    return {"seconds": seconds} if 0 < seconds <= LONGEST_PICTURE else f"it must be over 0 and up to {LONGEST_PICTURE}"


def _read_fps(text: str) -> dict[str, Any] | str:
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= MOST_FPS:
        return f"it is not a whole number of frames a second, 1 to {MOST_FPS}"
    return {"fps": int(text)}


def _read_size(text: str) -> dict[str, Any] | str:
    sides = NAMED_SIZES.get(text.lower())
    if sides is None:
        found = _SIZE.fullmatch(text.lower())
        if found is None:
            return "it is neither WIDTHxHEIGHT nor a known name"
        sides = int(found[1]), int(found[2])
    if not all(SMALLEST_SIDE <= side <= LARGEST_SIDE for side in sides):
        return f"width and height must be {SMALLEST_SIDE} to {LARGEST_SIDE} pixels"
    if any(side % 2 for side in sides):
        return "width and height must be even, because H.264 stores colour for every second pixel"
    return {"width": sides[0], "height": sides[1]}


def _read_fit(text: str) -> dict[str, Any] | str:
    return {"fit": Fit(text)} if text in {one.value for one in Fit} else "there is no such way to fit"


def _read_on_missing(text: str) -> dict[str, Any] | str:
    return {"on_missing": OnMissing(text)} if text in {one.value for one in OnMissing} else "there is no such choice"


_OPTIONS: dict[str, tuple[Callable[[str], dict[str, Any] | str], str]] = {
    "--seconds": (_read_seconds, "Write it as: --seconds 2.5"),
    "--fps": (_read_fps, "Write it as: --fps 30"),
    "--size": (_read_size, "Write it as: --size 1280x720, or one of " + ", ".join(NAMED_SIZES)),
    "--fit": (_read_fit, "Write it as: --fit contain, or --fit cover"),
    "--on-missing": (_read_on_missing, "Write it as: --on-missing fail, or --on-missing skip"),
}


def _check_links(links: list[str]) -> None:
    if not links:
        raise InvalidInstruction("animoto", "there is no link to a picture", EXAMPLE)
    if len(links) > MOST_LINKS:
        reason = f"there are {len(links):,} links, and a video takes {MOST_LINKS:,}"
        raise InvalidInstruction("animoto", reason, "Cut it into several instructions")
    for link in links:
        if fault := _fault_of_s3(link) if link.startswith("s3://") else _fault_of_web(link):
            raise InvalidInstruction(f"animoto link {link:.{_SHOWN}}", *fault)


def _fault_of_s3(link: str) -> tuple[str, str] | None:
    bucket, _, key = link.removeprefix("s3://").partition("/")
    if _BUCKET.fullmatch(bucket) and 1 <= len(key.encode()) <= _LONGEST_KEY:
        return None
    return "it names no bucket and key", "Write it as: s3://bucket/path/picture.jpg"


def _fault_of_web(link: str) -> tuple[str, str] | None:
    """Reason and remedy. The worker finds out the rest: whether the host exists, may be reached, and has a picture."""
    try:
        parts = urlsplit(link)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        return f"it can't be read: {error}", EXAMPLE
    if parts.scheme not in {"http", "https"}:
        return "it is neither http, https nor s3", EXAMPLE
    if not host:
        return "it names no host", EXAMPLE
    if "@" in parts.netloc:
        return (
            "it carries a user name or password, which logs and results would show",
            "Use a link that needs none, such as a presigned one, or copy the picture to the store",
        )
    return None


def _check_length(job: AnimotoJob) -> None:
    if job.seconds * job.fps < 1:
        raise InvalidInstruction(
            f"animoto --seconds {float(job.seconds):g}",
            f"that is less than one frame at {job.fps} frames a second",
            f"Give at least --seconds {-(-1000 // job.fps) / 1000:g}",
        )
    if job.seconds * len(job.links) > LONGEST_VIDEO:
        raise InvalidInstruction(
            f"animoto --seconds {float(job.seconds):g}",
            f"{len(job.links):,} pictures make {float(job.seconds * len(job.links)):,.0f} s,"
            f" and a video takes {LONGEST_VIDEO:,} s (4 h)",
            "Show each for less time, or cut it into several instructions",
        )
