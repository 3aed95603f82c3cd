"""Checks that the simulation detects each planted fault, reports how to replay it, and repeats a seed exactly."""

import os
import subprocess
import sys
from itertools import count, islice
from pathlib import Path

import pytest

from tests.simulation.careful_faults import CAREFUL_FAULTS
from tests.simulation.chaos import run_seed
from tests.simulation.invariants import PromiseBroken
from tests.simulation.minor_mutations import MINOR_MUTATIONS
from tests.simulation.planted_faults import (
    FAULTS,
    Fault,
    delete_before_complete,
    release_of_completing_chunks,
    release_without_state,
)
from tests.simulation.schedule_params import KINDS, ScheduleParams
from tests.simulation.schedules import run_all

pytestmark = pytest.mark.long

MOST_SEEDS = 400
TRACE = (
    "from tests.simulation.chaos import run_seed; import sys, pathlib; print(run_seed(3, pathlib.Path(sys.argv[1])))"
)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS + CAREFUL_FAULTS + MINOR_MUTATIONS, ids=lambda fault: fault.plant.__name__)
def test_planted_fault_is_detected(fault: Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault.plant(monkeypatch)
    for seed in islice(filter(fault.shows_in, count()), MOST_SEEDS):
        try:
            run_seed(seed, tmp_path)
        except PromiseBroken:
            return
    pytest.fail(f"{MOST_SEEDS} schedules did not detect the fault")


def test_mutation_that_uncovers_a_fault_breaks_no_promise_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_of_completing_chunks(monkeypatch)
    (fault,) = [fault for fault in FAULTS if fault.plant is release_without_state]
    run_all(islice(filter(fault.shows_in, count()), 20), tmp_path)


def test_failure_note_replays_the_schedule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    delete_before_complete(monkeypatch)
    with pytest.raises(PromiseBroken) as caught:
        run_all(range(1000), tmp_path)
    (note,) = caught.value.__notes__
    seed = int(note.split("FIRST=")[1])
    with pytest.raises(PromiseBroken, match=str(caught.value).split(" at ")[0]):
        run_seed(seed, tmp_path)


def test_seed_determines_the_whole_trace(tmp_path: Path) -> None:
    here = str(run_seed(3, tmp_path))
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.getcwd()}  # noqa: PTH109  (the variable is a string)
    command = [sys.executable, "-c", TRACE, str(tmp_path)]
    there = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=240)
    assert there.stdout.strip() == here
    assert str(run_seed(4, tmp_path)) != here


def test_every_kind_of_schedule_is_drawn_often() -> None:
    kinds = [ScheduleParams.draw(seed).kind for seed in range(1000)]
    assert {kind for kind in KINDS if kinds.count(kind) > 20} == set(KINDS)
