"""Limits the memory of a process that makes a slideshow, and returns that of pictures to the kernel at once."""

import ctypes
import resource
from collections.abc import Iterator
from contextlib import contextmanager

_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD of mallopt(3)."""
LARGE_BLOCK = 1024 * 1024
"""In bytes: a picture of 1080p has 6 million."""
_MEBIBYTE = 1024**2
_RESERVED = 4096
"""MiB of address space besides the data: each of glibc's heaps reserves 64, and a process has one for each thread."""
_UNLIMITED = 2**62


def give_back_large_blocks() -> None:
    """Allocate blocks of the size of pictures from the kernel one by one, and return them as soon as they are free.

    By default glibc raises that threshold as soon as one such block was freed, and keeps later ones in its heaps: for
    1080p 40 MB more, to save a few milliseconds of system time a picture. Without glibc this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, LARGE_BLOCK)


@contextmanager
def limited_memory(mebibytes: int) -> Iterator[None]:
    """Let this process allocate so much while the context lasts, and let decoders that ask for more fail.

    The limit of data counts what is allocated; it is 150 MiB above resident memory, for stacks and the like. The
    address space has room for libraries, files and what allocators only reserve. Each ffmpeg inherits the first of
    them. A limit that is lower already stays.
    """
    limits = {resource.RLIMIT_DATA: mebibytes * _MEBIBYTE, resource.RLIMIT_AS: (mebibytes + _RESERVED) * _MEBIBYTE}
    before = {kind: resource.getrlimit(kind) for kind in limits}
    for kind, limit in limits.items():
        resource.setrlimit(kind, (min(limit, *map(_finite, before[kind])), before[kind][1]))
    try:
        yield
    finally:
        for kind, both in before.items():
            resource.setrlimit(kind, both)


def data_limit() -> int:
    """Return how many bytes this process may allocate by its limit."""
    return _finite(resource.getrlimit(resource.RLIMIT_DATA)[0])


def _finite(limit: int) -> int:
    return _UNLIMITED if limit == resource.RLIM_INFINITY else limit
