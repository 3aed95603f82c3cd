"""Refuses a large BMP whose pixels are compressed in runs, which Pillow reads in Python, pixel by pixel."""

from ..missing import Unusable
from .allowance import Data

MOST_PIXELS = 4096 * 2160
"""As many as the largest screens have. They take 3 s."""
MOST_BYTES = 8 * 1024**2
"""Of the file; all of them may end a row that has no pixels, which takes 3 s."""
_RUNS = {1, 2}
"""Compression with 8 or 4 bits a pixel."""
_OLD_HEADER = 12
"""Bytes of OS/2's first header, which has no compression."""


def check_runs(data: Data) -> None:
    """Raise ``Unusable`` for a BMP of runs with too many pixels or bytes."""
    if _number(data, 14) == _OLD_HEADER or _number(data, 30) not in _RUNS:
        return
    pixels = _number(data, 18) * abs(_number(data, 22))
    if pixels > MOST_PIXELS or len(data) > MOST_BYTES:
        raise Unusable(
            f"it is a compressed BMP of {pixels:,} pixels in {len(data):,} bytes; "
            f"the most are {MOST_PIXELS:,} in {MOST_BYTES:,}"
        )


def _number(data: Data, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little", signed=True)
