"""What the template's autoscaling promises, by the simulation; and the simulation by AWS's own examples."""

import pytest

from benchmarks.scaling.life import Fleet, Life, live
from benchmarks.scaling.load import HOUR, LOADS, LONG, ONE, SMALL, SPOT, STEADY, STEP, Load
from benchmarks.scaling.metric_math import Points, evaluate
from benchmarks.scaling.template import read_scaling
from benchmarks.suites.autoscaling import by_running, by_wanted, filled

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
def test_expressions_come_to_what_the_user_guide_says(expression: str, found: list[float | None]) -> None:
    metrics: dict[str, Points] = {"m1": [1, 1, 0, 0, None], "m2": [30, None, 0, 0, 30], "m3": [0, 0, 20, None, 20]}
    if "m4" in expression or "m5" in expression:
        metrics = {"m4": [30, 20, 0, None], "m5": [20, None, 20, None]}
    assert evaluate(expression, metrics) == found


def test_an_expression_that_it_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="does not know"):
        evaluate("RATE(m1)", {"m1": [1.0]})


def test_one_message_wakes_a_sleeping_fleet_and_it_goes_back_to_nothing() -> None:
    for push_wakes in (True, False):
        life = live(ONE, Fleet(SCALING, push_wakes=push_wakes))
        assert life.drained is not None, push_wakes
        assert life.most_wanted == 1
        assert (life.looks[-1].wanted, life.looks[-1].instances) == (0, 0)


def test_push_wakes_it_before_the_queues_metrics_come() -> None:
    pushed, alarmed = (live(ONE, Fleet(SCALING, push_wakes=way)).first for way in (True, False))
    assert pushed is not None
    assert alarmed is not None
    assert alarmed - pushed > 600


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
@pytest.mark.parametrize(("late", "from_running"), [(0, True), (60, True), (180, True), (60, False)])
def test_every_load_is_drained_within_bounds_and_nothing_is_left_running(
    load: Load, late: float, from_running: bool
) -> None:
    life = live(load, Fleet(SCALING, most=64, instances=16, queue_late=late, from_running=from_running))
    assert life.drained is not None
    assert life.most_wanted <= 64
    assert life.most_instances <= 16
    assert life.looks[-1].wanted == 0
    asleep = next(look.minute for look in reversed(life.looks) if look.wanted) * 60
    assert asleep - life.drained < HOUR / 2
    awake = max(look.minute for look in life.looks if look.instances) * 60
    assert awake - life.drained < HOUR


def test_never_more_instances_than_allowed_and_what_waits_for_one_still_runs() -> None:
    life = live(STEP, Fleet(SCALING, most=64, instances=3))
    assert life.most_instances == 3
    assert life.drained is not None
    assert max(look.running for look in life.looks) == 3 * SCALING.holds


def late_counts(life: Life) -> set[int]:
    """The counts of workers from the third hour of a steady load to the sixth."""
    return {look.wanted for look in life.looks if 120 <= look.minute < 360}


def test_a_steady_load_is_kept_up_with_and_the_count_stands_still() -> None:
    for late in (0, 60, 180):
        life = live(STEADY, Fleet(SCALING, queue_late=late))
        counts = late_counts(life)
        assert max(counts) - min(counts) <= 1
        assert min(counts) >= 8  # four messages of two seconds each second
        assert max(look.backlog for look in life.looks if 120 <= look.minute < 360) < 100


def test_messages_alone_would_take_a_steady_fleet_in_and_out_for_ever() -> None:
    assert live(STEADY, Fleet(by_wanted(SCALING))).turns > 20


@pytest.mark.parametrize(("from_running", "most"), [(True, 8), (False, 64)])
def test_division_by_those_that_run_would_overshoot_did_steps_not_begin_from_them(
    from_running: bool, most: int
) -> None:
    wanted, running = (
        live(SMALL, Fleet(scaling, push_wakes=False, from_running=from_running))
        for scaling in (by_wanted(SCALING), by_running(SCALING))
    )
    assert wanted.most_wanted == 8
    assert running.most_wanted == most


def test_gaps_filled_with_zero_would_keep_the_fleet_asleep() -> None:
    assert live(STEP, Fleet(filled(SCALING))).drained is None
    assert live(ONE, Fleet(filled(SCALING), push_wakes=False)).drained is None


def test_long_messages_are_not_left_to_one_worker() -> None:
    life = live(LONG, Fleet(SCALING))
    assert life.drained is not None
    assert life.drained < 2 * HOUR


def test_what_spot_takes_is_made_up_for() -> None:
    lost, kept = live(SPOT, Fleet(SCALING)), live(STEP, Fleet(SCALING))
    assert lost.drained is not None
    assert kept.drained is not None
    assert kept.drained < lost.drained < kept.drained + HOUR / 4


def test_a_fixed_count_is_there_at_once_and_stays() -> None:
    life = live(STEP, Fleet(SCALING, fixed=16))
    assert life.first == 0
    assert {(look.running, look.instances) for look in life.looks} == {(16, 4)}
    assert life.drained == pytest.approx(20_000 * 2 / 16, abs=10)
