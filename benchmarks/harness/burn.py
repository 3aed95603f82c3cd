"""Defines a handler that computes for a while and never releases the interpreter's lock by itself."""

import time

from cloudkon.handler import Context


def burn(arguments: str, context: Context) -> None:  # noqa: ARG001  (a handler)
    """Compute for ``arguments`` milliseconds of wall-clock time."""
    end = time.perf_counter() + float(arguments) / 1000
    while time.perf_counter() < end:
        pass
