"""A careful chunk waits no longer than it takes to find an idle worker, and keeps no slots idle meanwhile.

Without the rules of ``rebalancer`` and ``ready_queue`` it waits behind its worker's longest task: then the first load
takes 632 s with these seeds, and in the second one 1,776 slot-seconds are idle although tasks wait.
"""

import math
from pathlib import Path

import pytest

from tests.simulation.careful_load import LONG_SECONDS, Load, simulate

MOST_CLAIMS = 3 + math.log2(LONG_SECONDS / 2)
"""A chunk is given back after 2 s, 4 s, 8 s …: a number of times that grows with the longest task's logarithm."""


@pytest.mark.parametrize("seed", [2, 3])
def test_careful_chunk_beside_a_long_task_goes_to_an_idle_worker(seed: int, tmp_path: Path) -> None:
    simulation, measured = simulate(Load(innocents=120), seed, tmp_path)
    assert measured.failed == simulation.killers
    # Five deaths and recoveries of each killer, one after the other at worst where a worker has several.
    assert measured.others_done < 200
    assert measured.most_claims <= 4


def test_other_tasks_run_while_a_careful_one_waits_for_a_long_one(tmp_path: Path) -> None:
    """One worker, so that the careful chunk can go nowhere: it comes back, and has to wait for the long task."""
    load = Load(workers=1, killers=1, innocents=20, long_at=25.0, seconds=(0.05, 0.5), arriving=10.0)
    simulation, measured = simulate(load, 0, tmp_path)
    assert measured.failed == simulation.killers
    assert LONG_SECONDS < measured.others_done < LONG_SECONDS + 100
    assert measured.idle < 10
    assert measured.most_claims <= MOST_CLAIMS


def test_careful_chunk_outwaits_the_long_tasks_where_every_worker_has_one(tmp_path: Path) -> None:
    load = Load(workers=2, slots=2, killers=1, innocents=4, long=3, long_at=25.0, seconds=(0.5,))
    simulation, measured = simulate(load, 0, tmp_path)
    assert measured.failed == simulation.killers
    assert LONG_SECONDS < measured.others_done < LONG_SECONDS + 100
    assert measured.most_claims <= MOST_CLAIMS
