"""Formats numbers, durations, sizes and times for people."""

from datetime import datetime

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def counted(count: int, noun: str) -> str:
    """Format a count with its noun: ``1 task``, ``1,000 tasks``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def lasting(seconds: float) -> str:
    """Format a duration with at most two units: ``42 s``, ``5:07 min``, ``3:20 h``, ``12 days``."""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}:{whole % _MINUTE:02} min"
    if whole < 2 * _DAY:
        return f"{whole // _HOUR}:{whole % _HOUR // _MINUTE:02} h"
    return f"{whole // _DAY} days"


def sized(count: float) -> str:
    """Format a size in powers of 1,000: ``512 bytes``, ``1.5 MB``."""
    if count < 1000:  # noqa: PLR2004  (a kilobyte)
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 1000:  # noqa: PLR2004  (the next unit)
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} TB"


def clock_time(at: float) -> str:
    """Format epoch seconds in this machine's time zone: ``14:05:09``."""
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")
