"""Bounds what a reader of heads counts, so that reading takes time in proportion to the bound and not to the file."""

from mmap import mmap

from ..missing import Unusable

Data = bytes | mmap
"""What readers of heads read: a file that is mapped into memory."""
LARGEST_FILE = 64 * 1024**2
"""Bytes of a picture's file. What a head describes is in the file once, so that all of it has no more, unless it
describes the same bytes many times."""


class Allowance:
    """How many of something a file may have, over all places where it has them."""

    def __init__(self, most: int, unit: str) -> None:
        """Allow ``most``; ``unit`` names them in the plural."""
        self._most = self._left = most
        self._unit = unit

    def spend(self, count: int = 1) -> None:
        """Count some, or raise ``Unusable`` if they are too many."""
        self._left -= count
        if self._left < 0:
            raise Unusable(f"it has more than {self._most:,} {self._unit}")
