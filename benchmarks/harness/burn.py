"""Burn: a handler that computes for a while and never lets go of the interpreter's lock by itself."""

import time

from cloudkon.handler import Context


def burn(arguments: str, context: Context) -> None:  # noqa: ARG001  (a handler)
    """Compute for so many milliseconds of the clock."""
    end = time.perf_counter() + float(arguments) / 1000
    while time.perf_counter() < end:
        pass
