"""The template's autoscaling, checked by the simulation, and the simulation, checked by AWS's own examples."""

import pytest

from benchmarks.scaling.compute_template import read_scaling
from benchmarks.scaling.loads import HOUR, LOADS, LONG, ONE, SMALL, SPOT, STEADY, STEP, Load
from benchmarks.scaling.metric_math import Points, evaluate
from benchmarks.scaling.simulation import Fleet, SimulationResult, simulate
from benchmarks.suites.autoscaling import gaps_as_zero, per_running_worker, per_wanted_worker

SCALING = read_scaling()


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("IF(m1, m2, m3)", [30, 0, 20, None, None]),
        ("IF(m1, m2)", [30, 0, None, None, None]),
        ("m4 + m5", [50, 20, 20, None]),
        ("m4 / m5", [1.5, None, 0, None]),
        ("m4 < m5", [0, 0, 1, None]),
        ("m4 > 15 AND m5 > 15", [1, 0, 0, None]),
        ("FILL(m5, 0)", [20, 0, 20, 0]),
    ],
)
def test_expressions_have_the_values_of_the_user_guide(expression: str, found: list[float | None]) -> None:
    metrics: dict[str, Points] = {"m1": [1, 1, 0, 0, None], "m2": [30, None, 0, 0, 30], "m3": [0, 0, 20, None, 20]}
    if "m4" in expression or "m5" in expression:
        metrics = {"m4": [30, 20, 0, None], "m5": [20, None, 20, None]}
    assert evaluate(expression, metrics) == found


def test_unsupported_expression_is_refused() -> None:
    with pytest.raises(ValueError, match="does not support"):
        evaluate("RATE(m1)", {"m1": [1.0]})


def test_one_message_wakes_a_sleeping_fleet_which_returns_to_zero() -> None:
    for push_wakes in (True, False):
        result = simulate(ONE, Fleet(SCALING, push_wakes=push_wakes))
        assert result.drained is not None, push_wakes
        assert result.most_wanted == 1
        assert (result.samples[-1].wanted, result.samples[-1].instances) == (0, 0)


def test_push_wakes_a_fleet_before_the_queues_metrics_arrive() -> None:
    pushed, alarmed = (simulate(ONE, Fleet(SCALING, push_wakes=way)).first for way in (True, False))
    assert pushed is not None
    assert alarmed is not None
    assert alarmed - pushed > 600


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
@pytest.mark.parametrize(("late", "from_running"), [(0, True), (60, True), (180, True), (60, False)])
def test_every_load_is_drained_within_bounds_and_the_fleet_returns_to_zero(
    load: Load, late: float, from_running: bool
) -> None:
    result = simulate(load, Fleet(SCALING, most=64, instances=16, queue_late=late, from_running=from_running))
    assert result.drained is not None
    assert result.most_wanted <= 64
    assert result.most_instances <= 16
    assert result.samples[-1].wanted == 0
    asleep = next(sample.minute for sample in reversed(result.samples) if sample.wanted) * 60
    assert asleep - result.drained < HOUR / 2
    awake = max(sample.minute for sample in result.samples if sample.instances) * 60
    assert awake - result.drained < HOUR


def test_instances_stay_within_the_maximum_and_all_work_is_done() -> None:
    result = simulate(STEP, Fleet(SCALING, most=64, instances=3))
    assert result.most_instances == 3
    assert result.drained is not None
    assert max(sample.running for sample in result.samples) == 3 * SCALING.holds


def late_counts(result: SimulationResult) -> set[int]:
    """The desired counts from the third to the sixth hour of a steady load."""
    return {sample.wanted for sample in result.samples if 120 <= sample.minute < 360}


def test_steady_load_is_drained_with_a_constant_count() -> None:
    for late in (0, 60, 180):
        result = simulate(STEADY, Fleet(SCALING, queue_late=late))
        counts = late_counts(result)
        assert max(counts) - min(counts) <= 1
        assert min(counts) >= 8  # four messages of two seconds each second
        assert max(sample.backlog for sample in result.samples if 120 <= sample.minute < 360) < 100


def test_messages_for_each_desired_worker_would_make_a_steady_fleet_oscillate() -> None:
    assert simulate(STEADY, Fleet(per_wanted_worker(SCALING))).reversals > 20


@pytest.mark.parametrize(("from_running", "most"), [(True, 8), (False, 64)])
def test_messages_for_each_running_worker_overshoot_unless_steps_start_from_running(
    from_running: bool, most: int
) -> None:
    wanted, running = (
        simulate(SMALL, Fleet(scaling, push_wakes=False, from_running=from_running))
        for scaling in (per_wanted_worker(SCALING), per_running_worker(SCALING))
    )
    assert wanted.most_wanted == 8
    assert running.most_wanted == most


def test_gaps_filled_with_zeros_would_keep_the_fleet_asleep() -> None:
    assert simulate(STEP, Fleet(gaps_as_zero(SCALING))).drained is None
    assert simulate(ONE, Fleet(gaps_as_zero(SCALING), push_wakes=False)).drained is None


def test_long_messages_are_spread_over_workers() -> None:
    result = simulate(LONG, Fleet(SCALING))
    assert result.drained is not None
    assert result.drained < 2 * HOUR


def test_instances_lost_to_spot_are_replaced() -> None:
    lost, kept = simulate(SPOT, Fleet(SCALING)), simulate(STEP, Fleet(SCALING))
    assert lost.drained is not None
    assert kept.drained is not None
    assert kept.drained < lost.drained < kept.drained + HOUR / 4


def test_fixed_count_runs_at_once_and_stays() -> None:
    result = simulate(STEP, Fleet(SCALING, fixed=16))
    assert result.first == 0
    assert {(sample.running, sample.instances) for sample in result.samples} == {(16, 4)}
    assert result.drained == pytest.approx(20_000 * 2 / 16, abs=10)
