"""Checks ``sleep MILLISECONDS``, which does nothing for that time. Benchmarks use it."""

from cloudkon.errors import InvalidInstruction

LONGEST_MS = 12 * 3600 * 1000
"""12 h: the longest time that SQS hides one delivery."""


def sleep_seconds(arguments: str) -> float:
    """Return how long to sleep, in seconds, or raise ``InvalidInstruction``."""
    remedy = "Write it as: sleep 10"
    try:
        milliseconds = float(arguments)
    except ValueError:
        reason = f"{arguments!r:.40} is not a number of milliseconds"
        raise InvalidInstruction(f"sleep {arguments:.40}", reason, remedy) from None
    if not 0 <= milliseconds <= LONGEST_MS:
        reason = f"the milliseconds must be 0 to {LONGEST_MS:,} (12 h)"
        raise InvalidInstruction(f"sleep {arguments:.40}", reason, remedy)
    return milliseconds / 1000


def check_sleep(arguments: str) -> None:
    """Raise ``InvalidInstruction`` for invalid arguments."""
    sleep_seconds(arguments)
