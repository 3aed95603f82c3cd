"""The scale benchmark: the simulated services let a fleet do what their limits allow, and no more."""

from benchmarks.harness.limited_services import PARTITION_UNITS, PARTITIONS
from benchmarks.harness.scale_fleet import Cell, run_cell


def test_fleet_within_the_limits_is_fully_busy() -> None:
    cell = Cell(workers=4, milliseconds=10, chunk=25, seconds=0.5)
    found = run_cell(cell)
    assert found.busy > 0.99 * cell.workers * cell.seconds
    assert found.recorded > 0
    assert found.throttled == 0


def test_fleet_beyond_the_limits_is_throttled_to_what_the_partitions_accept() -> None:
    # 16,000 tasks a second, with two write units each.
    cell = Cell(workers=16, milliseconds=1, chunk=1, seconds=0.3)
    found = run_cell(cell)
    assert found.throttled > 0
    assert 0 < found.units <= PARTITIONS * PARTITION_UNITS * cell.seconds * 1.4
    assert found.busy < 0.5 * cell.workers * cell.seconds
