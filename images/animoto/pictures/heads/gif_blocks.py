"""Counts the blocks of a GIF before its first frame (GIF89a), which Pillow reads one by one."""

from .allowance import Allowance, Data

MOST_BLOCKS = 65_536
"""With them 16 MiB of comments are read in 0.1 s. A file of 64 MiB has 33 million blocks of one byte."""
_HEADER, _FLAGS = 13, 10
"""Bytes of the header, and the place of its flags."""
_TABLE, _TABLE_SIZE = 0x80, 7
_EXTENSION, _FRAME, _END = 0x21, 0x2C, 0x3B


def check_blocks(data: Data) -> None:
    """Raise ``Unusable`` for a GIF with too many blocks. One that can't be read is left to the decoder's error."""
    blocks = Allowance(MOST_BLOCKS, "blocks before its first frame")
    flags = data[_FLAGS] if len(data) > _FLAGS else 0
    at = _HEADER + (3 * 2 ** ((flags & _TABLE_SIZE) + 1) if flags & _TABLE else 0)
    while at < len(data) and data[at] not in {_FRAME, _END}:
        blocks.spend()
        if data[at] != _EXTENSION:
            at += 1  # Pillow passes over what stands between blocks
            continue
        at += 2  # after the extension's kind
        while at < len(data) and data[at]:
            blocks.spend()
            at += 1 + data[at]
        at += 1
