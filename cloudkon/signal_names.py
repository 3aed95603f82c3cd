"""Names signals, real-time signals too, for which ``signal.Signals`` has no members."""

import signal


def signal_name(number: int) -> str:
    """Return a signal's name: ``SIGTERM``, or ``SIGRTMIN+6`` as ``kill -l`` has it; ``signal 70`` if it has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        pass
    # macOS has no real-time signals.
    first, last = getattr(signal, "SIGRTMIN", number), getattr(signal, "SIGRTMAX", number)
    return f"SIGRTMIN+{number - first}" if first < number < last else f"signal {number}"
