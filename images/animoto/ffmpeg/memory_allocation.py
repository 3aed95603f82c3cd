"""Allocation: where memory for pictures comes from, and goes back to."""

import ctypes

_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD of mallopt(3)."""
LARGE_BLOCK = 1024 * 1024
"""Bytes: a picture of 1080p has 6 million."""


def give_back_large_blocks() -> None:
    """Have blocks of the size of pictures taken from the kernel one by one, and given back as soon as they are free.

    By default glibc raises that limit as soon as one of them was freed, and keeps what comes later in its heaps: 40 MB
    more of 1080p, for a few milliseconds less of system time a picture. Where there is no glibc, this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, LARGE_BLOCK)
