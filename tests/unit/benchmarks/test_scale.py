"""Scale: what the simulated services let a fleet do, and no more."""

from benchmarks.harness.limited_services import PARTITION_UNITS, PARTITIONS
from benchmarks.harness.scale_fleet import Cell, run_cell


def test_a_fleet_within_the_limits_wastes_none_of_its_time() -> None:
    cell = Cell(workers=4, milliseconds=10, chunk=25, seconds=0.5)
    found = run_cell(cell)
    assert found.busy > 0.99 * cell.workers * cell.seconds
    assert found.recorded > 0
    assert found.throttled == 0


def test_a_fleet_that_asks_for_more_gets_what_the_partitions_take() -> None:
    # 16,000 tasks a second, of two write units each.
    cell = Cell(workers=16, milliseconds=1, chunk=1, seconds=0.3)
    found = run_cell(cell)
    assert found.throttled > 0
    assert 0 < found.units <= PARTITIONS * PARTITION_UNITS * cell.seconds * 1.4
    assert found.busy < 0.5 * cell.workers * cell.seconds
