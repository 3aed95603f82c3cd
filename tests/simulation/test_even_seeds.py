"""Runs the schedules of even seeds, none of which may break a promise."""

from pathlib import Path

import pytest

from tests.simulation.schedules import batches, run_all


@pytest.mark.seeds
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seeds", batches(0), ids=str)
def test_no_schedule_breaks_a_promise(seeds: range, tmp_path: Path) -> None:
    run_all(seeds, tmp_path)
