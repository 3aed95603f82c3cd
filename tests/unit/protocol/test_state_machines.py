"""Each machine's transitions: what it asks of the ledger, and what it makes of the answer."""

from dataclasses import replace

import pytest

from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, Progress, Result, TaskId, TaskState
from cloudkon.ports import Insert, Read, Update, WriteOutcome
from cloudkon.protocol import (
    Claim,
    Claimed,
    Claiming,
    Completing,
    Done,
    Held,
    Instant,
    Lost,
    Recorded,
    Released,
    Releasing,
    Renewed,
    Renewing,
    Terms,
)
from cloudkon.protocol.claim import LEDGER_DAYS

KEY = ChunkKey("run", 5, 2)
TERMS = Terms(lease=60_000, margin=5_000)
NOW = Instant(1_000_000, 100.0)
WRITTEN, REFUSED, FAILED = WriteOutcome.WRITTEN, WriteOutcome.REFUSED, WriteOutcome.FAILED
PROGRESS = Progress(results=(Result(TaskId("run", 10), TaskState.SUCCEEDED, output="done"),), failures={11: 2})


def later(seconds: float, now: Instant = NOW) -> Instant:
    return Instant(now.wall + int(seconds * 1000), now.monotonic + seconds)


def record(**changes: object) -> ChunkRecord:
    held = ChunkRecord(KEY, ChunkState.CLAIMED, "ours", 3, NOW.wall + TERMS.lease, 2)
    return replace(held, **changes)  # type: ignore[arg-type]  # any of its fields


def claim(**changes: object) -> Claim:
    return Claim(record(**changes), 155.0)


def claiming() -> Claiming:
    return Claiming(KEY, 2, "ours", TERMS)


def told_of(found: ChunkRecord | None, at: Instant = NOW) -> object:
    """What a claim makes of the record that it finds."""
    machine = claiming()
    looking = machine.on_response(machine.ask(NOW), NOW, REFUSED)
    assert isinstance(looking, Claiming)
    assert looking.ask(at) == Read(KEY)
    return looking.on_response(looking.ask(at), at, found)


def test_a_claim_inserts_a_fresh_record() -> None:
    ask = claiming().ask(NOW)
    assert isinstance(ask, Insert)
    assert ask.record == ChunkRecord(
        KEY, ChunkState.CLAIMED, "ours", 1, NOW.wall + 60_000, 2, Progress(), 1000 + LEDGER_DAYS * 86_400
    )


def test_an_inserted_claim_is_ours_for_a_lease_less_the_margin() -> None:
    machine = claiming()
    ask = machine.ask(NOW)
    verdict = machine.on_response(ask, NOW, WRITTEN)
    assert isinstance(verdict, Claimed)
    assert isinstance(ask, Insert)
    assert verdict.claim.record == ask.record
    assert verdict.claim.trusted_until == NOW.monotonic + 55


def test_a_claim_that_failed_is_asked_again_and_counts_from_the_ask_that_wrote_it() -> None:
    machine = claiming()
    again = machine.on_response(machine.ask(NOW), NOW, FAILED)
    assert isinstance(again, Claiming)
    ask = again.ask(later(20))
    assert isinstance(ask, Insert)
    assert ask.record.owner == "ours"
    verdict = again.on_response(ask, later(20), WRITTEN)
    assert isinstance(verdict, Claimed)
    assert verdict.claim.trusted_until == NOW.monotonic + 20 + 55


def test_our_own_claim_whose_answer_was_lost_is_found() -> None:
    machine = claiming()
    again = machine.on_response(machine.ask(NOW), NOW, FAILED)
    assert isinstance(again, Claiming)
    looking = again.on_response(again.ask(later(3)), later(3), REFUSED)
    assert isinstance(looking, Claiming)
    verdict = looking.on_response(looking.ask(later(4)), later(4), record(attempt=1))
    assert verdict == Claimed(Claim(record(attempt=1), NOW.monotonic + 55))


def test_what_another_version_wrote_is_left_to_its_workers() -> None:
    found = replace(record(owner="theirs", lease_end=0), readable=False)
    assert told_of(found) == Held(KEY, NOW.monotonic + TERMS.lease / 1000)


def test_a_live_lease_is_held_for_what_is_left_of_it_and_the_margin() -> None:
    assert told_of(record(owner="theirs", lease_end=NOW.wall + 20_000)) == Held(KEY, NOW.monotonic + 25.0)


@pytest.mark.parametrize("over", [0, 4_999, 5_000])
def test_a_lease_is_not_over_before_the_margin_has_passed(over: int) -> None:
    left = (5_000 - over) / 1000
    assert told_of(record(owner="theirs", lease_end=NOW.wall - over)) == Held(KEY, NOW.monotonic + left)


def test_what_is_done_is_done() -> None:
    done = record(owner="theirs", state=ChunkState.DONE, progress=PROGRESS)
    assert told_of(done) == Done(KEY, done)


def test_our_own_completion_of_an_earlier_claim_is_done_too() -> None:
    done = record(state=ChunkState.DONE)
    assert told_of(done) == Done(KEY, done)


def test_a_record_that_is_gone_is_inserted_again() -> None:
    again = told_of(None)
    assert isinstance(again, Claiming)
    assert isinstance(again.ask(NOW), Insert)


def test_a_lease_that_is_over_is_stolen_exactly_as_it_was_read() -> None:
    left = record(owner="theirs", attempt=7, lease_end=NOW.wall - 5_001, progress=PROGRESS)
    stealing = told_of(left)
    assert isinstance(stealing, Claiming)
    ask = stealing.ask(later(1))
    assert isinstance(ask, Update)
    assert (ask.owner, ask.attempt, ask.lease_end, ask.state) == ("theirs", 7, left.lease_end, ChunkState.CLAIMED)
    assert (ask.record.owner, ask.record.attempt, ask.record.lease_end) == ("ours", 8, NOW.wall + 61_000)
    assert ask.record.progress == replace(PROGRESS, losses=1)
    assert not ask.admits(replace(left, lease_end=left.lease_end + 1))
    assert not ask.admits(replace(left, state=ChunkState.DONE))
    verdict = stealing.on_response(ask, later(1), WRITTEN)
    assert isinstance(verdict, Claimed)
    assert verdict.claim.trusted_until == 156.0


def test_the_suspect_of_a_dead_worker_is_suspected_once_more() -> None:
    left = Progress(losses=1, suspect=11, suspicions={11: 1, 10: 1})
    stealing = told_of(record(owner="theirs", lease_end=0 + 1, progress=left))
    assert isinstance(stealing, Claiming)
    ask = stealing.ask(NOW)
    assert isinstance(ask, Update)
    assert ask.record.progress == Progress(losses=2, suspect=None, suspicions={11: 2, 10: 1})


def test_a_released_chunk_is_free_at_once_and_no_loss() -> None:
    stealing = told_of(record(owner="", attempt=3, lease_end=0, progress=PROGRESS))
    assert isinstance(stealing, Claiming)
    ask = stealing.ask(NOW)
    assert isinstance(ask, Update)
    assert ask.record.progress == PROGRESS
    assert (ask.owner, ask.attempt, ask.lease_end, ask.record.attempt) == ("", 3, 0, 4)


def test_a_steal_that_somebody_was_faster_at_looks_again() -> None:
    stealing = told_of(record(owner="theirs", lease_end=1))
    assert isinstance(stealing, Claiming)
    looking = stealing.on_response(stealing.ask(NOW), NOW, REFUSED)
    assert isinstance(looking, Claiming)
    assert looking.ask(NOW) == Read(KEY)
    assert isinstance(looking.on_response(looking.ask(NOW), NOW, record(owner="third", attempt=4)), Held)


def our_lost_steal(wrote: float, looked: float) -> object:
    """What a claim makes of its own steals of 1 s and 2 s, that of ``wrote`` found ``looked`` seconds on."""
    stealing = told_of(record(owner="theirs", lease_end=1))
    for seconds in (1, 2):
        assert isinstance(stealing, Claiming)
        stealing = stealing.on_response(stealing.ask(later(seconds)), later(seconds), FAILED)
    assert isinstance(stealing, Claiming)
    looking = stealing.on_response(stealing.ask(later(3)), later(3), REFUSED)
    assert isinstance(looking, Claiming)
    found = record(attempt=4, lease_end=later(wrote).wall + TERMS.lease, progress=Progress(losses=1))
    return looking.on_response(looking.ask(later(looked)), later(looked), found)


@pytest.mark.parametrize("wrote", [1, 2])
def test_a_steal_whose_answer_was_lost_is_ours_from_the_ask_that_wrote_it(wrote: float) -> None:
    verdict = our_lost_steal(wrote, looked=9)
    assert isinstance(verdict, Claimed)
    assert verdict.claim.trusted_until == NOW.monotonic + wrote + 55


def test_a_claim_of_ours_that_can_no_longer_be_relied_on_is_taken_anew_and_no_loss() -> None:
    again = our_lost_steal(wrote=1, looked=57)
    assert isinstance(again, Claiming)
    ask = again.ask(later(57))
    assert isinstance(ask, Update)
    assert (ask.owner, ask.attempt, ask.record.owner, ask.record.attempt) == ("ours", 4, "ours", 5)
    assert ask.record.progress.losses == 1


def test_a_renewal_writes_progress_and_a_later_end_fenced_on_owner_and_attempt() -> None:
    machine = Renewing(claim(), PROGRESS, TERMS)
    ask = machine.ask(later(20))
    assert isinstance(ask, Update)
    assert (ask.owner, ask.attempt, ask.state, ask.lease_end) == ("ours", 3, ChunkState.CLAIMED, None)
    assert ask.record.lease_end == ask.lease_not_after == NOW.wall + 80_000
    assert ask.record.progress == PROGRESS
    assert machine.on_response(ask, later(20), WRITTEN) == Renewed(Claim(ask.record, 175.0))


def test_a_renewal_after_the_clock_went_back_still_makes_the_lease_longer() -> None:
    ask = Renewing(claim(), PROGRESS, TERMS).ask(Instant(NOW.wall - 600_000, 120.0))
    assert isinstance(ask, Update)
    assert ask.record.lease_end == record().lease_end + 1


def test_a_renewal_that_takes_effect_late_is_refused() -> None:
    first = Renewing(claim(), PROGRESS, TERMS)
    late = first.ask(later(20))
    assert isinstance(late, Update)
    again = first.on_response(late, later(20), FAILED)
    assert isinstance(again, Renewing)
    ask = again.ask(Instant(NOW.wall, 125.0))
    assert isinstance(ask, Update)
    assert ask.record.lease_end > late.record.lease_end, "the clock went back, and the first one may yet arrive"
    assert late.admits(record())
    assert not late.admits(ask.record)
    assert ask.admits(late.record)


def test_a_refused_renewal_looks_who_has_it() -> None:
    machine = Renewing(claim(), PROGRESS, TERMS)
    looking = machine.on_response(machine.ask(NOW), NOW, REFUSED)
    assert isinstance(looking, Renewing)
    assert looking.ask(NOW) == Read(KEY)
    for found in (
        None,
        record(owner="theirs", attempt=4),
        record(attempt=4),
        record(owner="", lease_end=0),
        record(state=ChunkState.DONE),
    ):
        assert looking.on_response(looking.ask(NOW), NOW, found) == Lost(KEY, found)


def test_a_renewal_refused_by_our_own_later_one_goes_above_it() -> None:
    machine = Renewing(claim(), PROGRESS, TERMS)
    looking = machine.on_response(machine.ask(NOW), NOW, REFUSED)
    assert isinstance(looking, Renewing)
    found = record(lease_end=NOW.wall + 500_000)
    again = looking.on_response(looking.ask(NOW), NOW, found)
    assert isinstance(again, Renewing)
    ask = again.ask(NOW)
    assert isinstance(ask, Update)
    assert ask.record.lease_end == found.lease_end + 1
    assert ask.admits(found)


def test_a_completion_writes_done_under_our_token() -> None:
    machine = Completing(claim(), PROGRESS, TERMS)
    ask = machine.ask(later(5))
    assert isinstance(ask, Update)
    assert (ask.owner, ask.attempt, ask.state, ask.lease_end, ask.lease_not_after) == (
        "ours",
        3,
        ChunkState.CLAIMED,
        None,
        None,
    )
    assert (ask.record.state, ask.record.owner, ask.record.progress) == (ChunkState.DONE, "ours", PROGRESS)
    assert machine.on_response(ask, later(5), WRITTEN) == Recorded(ask.record)


def test_a_completion_that_failed_is_asked_again() -> None:
    machine = Completing(claim(), PROGRESS, TERMS)
    assert machine.on_response(machine.ask(NOW), NOW, FAILED) == machine


def test_a_refused_completion_reads_back() -> None:
    machine = Completing(claim(), PROGRESS, TERMS)
    looking = machine.on_response(machine.ask(NOW), NOW, REFUSED)
    assert isinstance(looking, Completing)
    assert looking.ask(NOW) == Read(KEY)
    ours = record(state=ChunkState.DONE, progress=PROGRESS)
    assert looking.on_response(looking.ask(NOW), NOW, ours) == Recorded(ours)
    for found in (
        None,
        record(owner="theirs", attempt=4),
        record(owner="theirs", attempt=4, state=ChunkState.DONE),
        record(owner="", lease_end=0),
    ):
        assert looking.on_response(looking.ask(NOW), NOW, found) == Lost(KEY, found)


def test_a_release_clears_owner_lease_and_suspect_and_keeps_the_progress() -> None:
    machine = Releasing(claim(), replace(PROGRESS, suspect=11), TERMS)
    ask = machine.ask(NOW)
    assert isinstance(ask, Update)
    assert (ask.owner, ask.attempt, ask.state) == ("ours", 3, ChunkState.CLAIMED)
    assert ask.record.released
    assert (ask.record.owner, ask.record.attempt, ask.record.progress) == ("", 3, PROGRESS)
    assert machine.on_response(ask, NOW, WRITTEN) == Released(KEY)


def test_a_refused_release_is_over_too_and_a_failed_one_is_asked_again() -> None:
    machine = Releasing(claim(), PROGRESS, TERMS)
    assert machine.on_response(machine.ask(NOW), NOW, REFUSED) == Released(KEY)
    assert machine.on_response(machine.ask(NOW), NOW, FAILED) == machine


def test_after_a_release_a_late_renewal_and_a_late_completion_are_refused() -> None:
    release = Releasing(claim(), PROGRESS, TERMS).ask(NOW)
    assert isinstance(release, Update)
    for late in (Renewing(claim(), PROGRESS, TERMS).ask(NOW), Completing(claim(), PROGRESS, TERMS).ask(NOW)):
        assert isinstance(late, Update)
        assert not late.admits(release.record)


def test_a_margin_wider_than_half_a_lease_leaves_half_a_lease() -> None:
    assert Terms(lease=10_000, margin=8_000).trusted_seconds == 5.0
