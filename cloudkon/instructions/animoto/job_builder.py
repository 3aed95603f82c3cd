"""Builds a job from what was read and checks that its parts fit together."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import floor
from typing import Any

from cloudkon.errors import InvalidInstruction
from cloudkon.instructions.animoto.choices import Transition
from cloudkon.instructions.animoto.error_wording import ErrorWording
from cloudkon.instructions.animoto.job import (
    MOST_TRANSITION_FRAMES,
    AnimotoJob,
    Slide,
    wanted_frames,
)
from cloudkon.instructions.animoto.options import LONGEST_VIDEO, OPTIONS, Scope
from cloudkon.instructions.animoto.sizes import Aspect, Preset, sides

EXAMPLE = "Write it as: animoto --seconds 2 https://example.org/one.jpg s3://bucket/two.png"
MOST_LINKS = 10_000
_OF_EACH = [option.field for option in OPTIONS.values() if option.scope is Scope.EACH]


def check_count(pictures: int) -> None:
    """Raise ``InvalidInstruction`` if there are more pictures than a video may have."""
    if pictures > MOST_LINKS:
        reason = f"there are {pictures:,} links, and a video may have {MOST_LINKS:,}"
        raise InvalidInstruction("animoto", reason, "Split it into several instructions")


def build(settings: dict[str, Any], pictures: Sequence[Mapping[str, Any]], wording: ErrorWording) -> AnimotoJob:
    """Build the job from its settings and from pictures with their own settings, all keyed by their fields' names.

    Raises ``InvalidInstruction`` for parts that contradict each other.
    """
    shared = {field: settings.pop(field) for field in _OF_EACH if field in settings}
    width, height = _sides(settings, wording)
    slides = tuple(Slide(**{**shared, **own}) for own in pictures)
    job = AnimotoJob(slides=slides, width=width, height=height, **settings)
    alike = all(len(own) == 1 for own in pictures)
    _check_lengths(job, wording, alike=alike)
    _check_cuts(job, shared, pictures, wording)
    _check_transitions(job, wording, alike=alike)
    return job


def _sides(settings: dict[str, Any], wording: ErrorWording) -> tuple[int, int]:
    size, aspect = settings.pop("size", Preset.FULL_HD), settings.pop("aspect", None)
    if isinstance(size, Preset):
        return sides(size, aspect or Aspect.WIDE)
    if aspect is not None:
        width, height = size
        named = f"{wording.spell('size', '1080p')} with {wording.spell('aspect', aspect.value)}"
        reason = f"{width}x{height} pixels already have a shape"
        raise wording.error(wording.spell("aspect", aspect.value), reason, f"Leave it out, or name a size: {named}")
    return int(size[0]), int(size[1])


def _check_lengths(job: AnimotoJob, wording: ErrorWording, *, alike: bool) -> None:
    for number, slide in enumerate(job.slides[:1] if alike else job.slides, 1):
        if slide.seconds * job.fps < 1:
            raise wording.error(
                _seconds(wording, "seconds", slide.seconds),
                f"that is less than one frame at {job.fps} frames a second",
                f"Give at least {wording.spell('seconds', f'{-(-1000 // job.fps) / 1000:g}')}",
                0 if alike else number,
            )
    first = job.slides[0].seconds
    total = first * len(job.slides) if alike else sum((slide.seconds for slide in job.slides), Fraction(0))
    if total > LONGEST_VIDEO:
        raise wording.error(
            _seconds(wording, "seconds", first) if alike else '"pictures"',
            f"{len(job.slides):,} pictures make {float(total):,.0f} s, and a video may have {LONGEST_VIDEO:,} s (4 h)",
            "Show each for less time, or split it into several instructions",
        )
    if job.poster is not None and job.poster >= total:
        reason = f"the video ends at {float(total):g} s"
        raise wording.error(_seconds(wording, "poster", job.poster), reason, "Choose a second of the video")


def _check_cuts(
    job: AnimotoJob, shared: Mapping[str, Any], pictures: Sequence[Mapping[str, Any]], wording: ErrorWording
) -> None:
    """Refuse a length for a cut. A length for the whole job needs at least one transition that is not a cut."""
    cuts = [slide.transition is Transition.CUT for slide in job.slides]
    faults = [number for number, own in enumerate(pictures) if cuts[number] and "transition_seconds" in own]
    if faults or ("transition_seconds" in shared and all(cuts)):
        slide, number = (job.slides[faults[0]], faults[0] + 1) if faults else (job.slides[0], 0)
        seconds = slide.transition_seconds or Fraction(0)
        remedy = f"Choose another transition, such as {wording.spell('transition', 'crossfade')}"
        raise wording.error(_seconds(wording, "transition-seconds", seconds), "a cut takes no time", remedy, number)


def _check_transitions(job: AnimotoJob, wording: ErrorWording, *, alike: bool) -> None:
    """Check that each transition has room; the last picture is compared with itself."""
    slides = job.slides[:1] if alike else job.slides
    for number, (before, after) in enumerate(zip(slides, [*slides[1:], slides[-1]], strict=True), 1):
        if before.transition is not Transition.CUT and before.transition_seconds is not None:
            _check_transition(before, after, before.transition_seconds, job.fps, wording, 0 if alike else number)


def _check_transition(
    before: Slide, after: Slide, seconds: Fraction, fps: int, wording: ErrorWording, number: int
) -> None:
    what = _seconds(wording, "transition-seconds", seconds)
    frames = wanted_frames(seconds, fps)
    if frames < 1:
        reason = f"that is less than one frame at {fps} frames a second"
        raise wording.error(what, reason, f"Give more, or {wording.spell('transition', 'cut')}", number)
    longest = min(before.room(fps), after.room(fps))
    if frames > longest:
        shorter = min(before.seconds, after.seconds)
        reason = (
            f"pictures of {float(shorter):g} s at {fps} frames a second have room for {max(0, longest)} frames"
            if longest < MOST_TRANSITION_FRAMES
            else f"that is more than {MOST_TRANSITION_FRAMES} frames at {fps} frames a second"
        )
        most = floor(Fraction(max(0, longest), fps) * 1000) / 1000
        fitting = f"Give at most {wording.spell('transition-seconds', f'{most:g}')}"
        raise wording.error(what, reason, fitting if longest >= 1 else "Show each picture for longer", number)


def _seconds(wording: ErrorWording, name: str, seconds: Fraction) -> str:
    return wording.spell(name, f"{float(seconds):g}")
