"""Writes slice data: macroblocks without residual, in CAVLC (ITU-T H.264, 7.3.4 and 7.3.5)."""

from collections.abc import Iterator, Sequence

from .bits import BitWriter
from .motion import AFTER, BEFORE, MacroblockMotion, Neighbours, inherited, predicted

_MB_TYPE = {BEFORE: 1, AFTER: 2}
"""B_L0_16x16 and B_L1_16x16 (table 7-14)."""


def skipped(macroblocks: int) -> BitWriter:
    """Return a slice of skipped macroblocks only: a P slice repeats its reference, a B slice blends its two."""
    bits = BitWriter()
    bits.ue(macroblocks)  # mb_skip_run
    return bits


def moving(columns: Sequence[MacroblockMotion], rows: int) -> BitWriter:
    """Return a B slice whose macroblocks each show one picture or the other, equal in each row.

    Only what decoders don't predict anyway is written; the rest is skipped.
    """
    first = list(_written(columns, has_row_above=False))
    others = list(_written(columns, has_row_above=True))
    bits = BitWriter()
    run = 0
    for row in range(rows):
        at = 0
        for column, mb_type, difference in others if row else first:
            bits.ue(run + column - at)  # mb_skip_run
            bits.ue(mb_type)
            bits.se(difference)  # mvd_l0 or mvd_l1, to the right
            bits.se(0)  # and down
            bits.ue(0)  # coded_block_pattern: no residual (table 9-4, Inter)
            at, run = column + 1, 0
        run += len(columns) - at
    if run:
        bits.ue(run)
    return bits


def _written(columns: Sequence[MacroblockMotion], *, has_row_above: bool) -> Iterator[tuple[int, int, int]]:
    """Yield, for each macroblock of a row that can't be skipped, its column, mb_type and vector difference."""
    above = columns if has_row_above else [None] * len(columns)
    for column, motion in enumerate(columns):
        neighbours = Neighbours(
            left=columns[column - 1] if column else None,
            above=above[column],
            corner=above[column + 1] if column + 1 < len(columns) else above[column - 1] if column else None,
        )
        if inherited(neighbours) != motion:
            side = BEFORE if motion.before.used else AFTER
            yield column, _MB_TYPE[side], motion.of(side).right - predicted(neighbours, side)
