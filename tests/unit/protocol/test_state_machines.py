"""The transitions of each state machine: its requests, and its reactions to responses."""

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
    Mismatched,
    Recorded,
    Released,
    Releasing,
    Renewed,
    Renewing,
    Terms,
    Unreadable,
    Withdrawing,
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


def claiming_after_reading(found: ChunkRecord | None, at: Instant = NOW) -> object:
    """The next state or the verdict of a claim that was refused and then read this record."""
    machine = claiming()
    reading = machine.on_response(machine.ask(NOW), NOW, REFUSED)
    assert isinstance(reading, Claiming)
    assert reading.ask(at) == Read(KEY)
    return reading.on_response(reading.ask(at), at, found)


def test_claiming_inserts_a_new_record() -> None:
    request = claiming().ask(NOW)
    assert isinstance(request, Insert)
    assert request.record == ChunkRecord(
        KEY, ChunkState.CLAIMED, "ours", 1, NOW.wall + 60_000, 2, Progress(), 1000 + LEDGER_DAYS * 86_400
    )


def test_inserted_claim_is_trusted_for_the_lease_minus_the_margin() -> None:
    machine = claiming()
    request = machine.ask(NOW)
    verdict = machine.on_response(request, NOW, WRITTEN)
    assert isinstance(verdict, Claimed)
    assert isinstance(request, Insert)
    assert verdict.claim.record == request.record
    assert verdict.claim.trusted_until == NOW.monotonic + 55


def test_failed_insert_is_repeated_and_its_lease_counts_from_the_successful_request() -> None:
    machine = claiming()
    again = machine.on_response(machine.ask(NOW), NOW, FAILED)
    assert isinstance(again, Claiming)
    request = again.ask(later(20))
    assert isinstance(request, Insert)
    assert request.record.owner == "ours"
    verdict = again.on_response(request, later(20), WRITTEN)
    assert isinstance(verdict, Claimed)
    assert verdict.claim.trusted_until == NOW.monotonic + 20 + 55


def test_claim_whose_response_was_lost_is_recognised() -> None:
    machine = claiming()
    again = machine.on_response(machine.ask(NOW), NOW, FAILED)
    assert isinstance(again, Claiming)
    reading = again.on_response(again.ask(later(3)), later(3), REFUSED)
    assert isinstance(reading, Claiming)
    verdict = reading.on_response(reading.ask(later(4)), later(4), record(attempt=1))
    assert verdict == Claimed(Claim(record(attempt=1), NOW.monotonic + 55))


def test_record_of_another_version_is_left_alone() -> None:
    found = ChunkRecord.unreadable(KEY, "the item has version 2")
    assert claiming_after_reading(found) == Unreadable(KEY, "the item has version 2")


def test_lease_that_no_worker_asks_for_is_not_waited_for() -> None:
    left = claiming_after_reading(record(owner="theirs", lease_end=NOW.wall + 75_600_000))
    assert isinstance(left, Unreadable)
    assert "has a lease of 21 hours more" in left.reason
    assert isinstance(claiming_after_reading(record(owner="theirs", lease_end=NOW.wall + 36_000_000)), Held)


@pytest.mark.parametrize("state", ChunkState)
@pytest.mark.parametrize("owner", ["theirs", ""])
@pytest.mark.parametrize(
    "other",
    [
        {"digest": "f" * 16},
        {"digest": "", "tasks": 3},
        {"digest": "", "progress": replace(PROGRESS, failures={12: 1})},
        {"digest": "0" * 16, "progress": replace(PROGRESS, suspect=9)},
        {"digest": "", "progress": Progress((Result(TaskId("run", 0), TaskState.SUCCEEDED),))},
    ],
    ids=str,
)
def test_record_of_other_tasks_is_neither_stolen_nor_done(
    other: dict[str, object], owner: str, state: ChunkState
) -> None:
    machine = replace(claiming(), digest="0" * 16, first=10)
    reading = machine.on_response(machine.ask(NOW), NOW, REFUSED)
    assert isinstance(reading, Claiming)
    found = record(owner=owner, state=state, lease_end=0, **other)
    assert reading.on_response(reading.ask(NOW), NOW, found) == Mismatched(KEY)


@pytest.mark.parametrize("digest", ["", "0" * 16])
def test_record_of_the_same_tasks_is_stolen_and_then_has_their_digest(digest: str) -> None:
    machine = replace(claiming(), digest="0" * 16, first=10)
    reading = machine.on_response(machine.ask(NOW), NOW, REFUSED)
    assert isinstance(reading, Claiming)
    stealing = reading.on_response(
        reading.ask(NOW), NOW, record(owner="", lease_end=0, digest=digest, progress=PROGRESS)
    )
    assert isinstance(stealing, Claiming)
    request = stealing.ask(NOW)
    assert isinstance(request, Update)
    assert (request.record.digest, request.record.progress) == ("0" * 16, PROGRESS)


def test_live_lease_is_held_for_its_rest_and_the_margin() -> None:
    assert claiming_after_reading(record(owner="theirs", lease_end=NOW.wall + 20_000)) == Held(
        KEY, NOW.monotonic + 25.0
    )


@pytest.mark.parametrize("over", [0, 4_999, 5_000])
def test_lease_is_held_until_the_margin_has_passed(over: int) -> None:
    left = (5_000 - over) / 1000
    assert claiming_after_reading(record(owner="theirs", lease_end=NOW.wall - over)) == Held(KEY, NOW.monotonic + left)


def test_done_chunk_is_not_claimed_again() -> None:
    done = record(owner="theirs", state=ChunkState.DONE, progress=PROGRESS)
    assert claiming_after_reading(done) == Done(KEY, done)


def test_chunk_completed_under_our_own_token_is_done() -> None:
    done = record(state=ChunkState.DONE)
    assert claiming_after_reading(done) == Done(KEY, done)


def test_deleted_record_is_inserted_again() -> None:
    again = claiming_after_reading(None)
    assert isinstance(again, Claiming)
    assert isinstance(again.ask(NOW), Insert)


def test_expired_lease_is_stolen_only_from_the_record_as_read() -> None:
    left = record(owner="theirs", attempt=7, lease_end=NOW.wall - 5_001, progress=PROGRESS)
    stealing = claiming_after_reading(left)
    assert isinstance(stealing, Claiming)
    request = stealing.ask(later(1))
    assert isinstance(request, Update)
    assert (request.owner, request.attempt, request.lease_end, request.state) == (
        "theirs",
        7,
        left.lease_end,
        ChunkState.CLAIMED,
    )
    assert (request.record.owner, request.record.attempt, request.record.lease_end) == ("ours", 8, NOW.wall + 61_000)
    assert request.record.progress == replace(PROGRESS, losses=1)
    assert not request.admits(replace(left, lease_end=left.lease_end + 1))
    assert not request.admits(replace(left, state=ChunkState.DONE))
    verdict = stealing.on_response(request, later(1), WRITTEN)
    assert isinstance(verdict, Claimed)
    assert verdict.claim.trusted_until == 156.0


def test_suspect_of_a_dead_worker_gets_one_more_suspicion() -> None:
    left = Progress(losses=1, suspect=11, suspicions={11: 1, 10: 1})
    stealing = claiming_after_reading(record(owner="theirs", lease_end=0 + 1, progress=left))
    assert isinstance(stealing, Claiming)
    request = stealing.ask(NOW)
    assert isinstance(request, Update)
    assert request.record.progress == Progress(losses=2, suspect=None, suspicions={11: 2, 10: 1})


def test_released_chunk_is_claimed_at_once_without_a_loss() -> None:
    stealing = claiming_after_reading(record(owner="", attempt=3, lease_end=0, progress=PROGRESS))
    assert isinstance(stealing, Claiming)
    request = stealing.ask(NOW)
    assert isinstance(request, Update)
    assert request.record.progress == PROGRESS
    assert (request.owner, request.attempt, request.lease_end, request.record.attempt) == ("", 3, 0, 4)


def test_refused_steal_reads_the_record_again() -> None:
    stealing = claiming_after_reading(record(owner="theirs", lease_end=1))
    assert isinstance(stealing, Claiming)
    reading = stealing.on_response(stealing.ask(NOW), NOW, REFUSED)
    assert isinstance(reading, Claiming)
    assert reading.ask(NOW) == Read(KEY)
    assert isinstance(reading.on_response(reading.ask(NOW), NOW, record(owner="third", attempt=4)), Held)


def claiming_after_lost_steals(wrote: float, read: float) -> object:
    """The outcome of a claim whose steals at 1 s and 2 s got no response.

    At ``read`` seconds it reads the record that its steal at ``wrote`` seconds wrote.
    """
    stealing = claiming_after_reading(record(owner="theirs", lease_end=1))
    for seconds in (1, 2):
        assert isinstance(stealing, Claiming)
        stealing = stealing.on_response(stealing.ask(later(seconds)), later(seconds), FAILED)
    assert isinstance(stealing, Claiming)
    reading = stealing.on_response(stealing.ask(later(3)), later(3), REFUSED)
    assert isinstance(reading, Claiming)
    found = record(attempt=4, lease_end=later(wrote).wall + TERMS.lease, progress=Progress(losses=1))
    return reading.on_response(reading.ask(later(read)), later(read), found)


@pytest.mark.parametrize("wrote", [1, 2])
def test_steal_whose_response_was_lost_counts_from_the_request_that_wrote_it(wrote: float) -> None:
    verdict = claiming_after_lost_steals(wrote, read=9)
    assert isinstance(verdict, Claimed)
    assert verdict.claim.trusted_until == NOW.monotonic + wrote + 55


def test_own_claim_that_is_too_old_is_stolen_without_a_loss() -> None:
    again = claiming_after_lost_steals(wrote=1, read=57)
    assert isinstance(again, Claiming)
    request = again.ask(later(57))
    assert isinstance(request, Update)
    assert (request.owner, request.attempt, request.record.owner, request.record.attempt) == ("ours", 4, "ours", 5)
    assert request.record.progress.losses == 1


def test_renewal_writes_progress_and_a_later_lease_end_fenced_on_owner_and_attempt() -> None:
    machine = Renewing(claim(), PROGRESS, TERMS)
    request = machine.ask(later(20))
    assert isinstance(request, Update)
    assert (request.owner, request.attempt, request.state, request.lease_end) == ("ours", 3, ChunkState.CLAIMED, None)
    assert request.record.lease_end == request.lease_not_after == NOW.wall + 80_000
    assert request.record.progress == PROGRESS
    assert machine.on_response(request, later(20), WRITTEN) == Renewed(Claim(request.record, 175.0))


def test_renewal_extends_the_lease_even_if_the_clock_was_set_back() -> None:
    request = Renewing(claim(), PROGRESS, TERMS).ask(Instant(NOW.wall - 600_000, 120.0))
    assert isinstance(request, Update)
    assert request.record.lease_end == record().lease_end + 1


def test_renewal_that_arrives_late_is_refused() -> None:
    first = Renewing(claim(), PROGRESS, TERMS)
    late = first.ask(later(20))
    assert isinstance(late, Update)
    again = first.on_response(late, later(20), FAILED)
    assert isinstance(again, Renewing)
    request = again.ask(Instant(NOW.wall, 125.0))
    assert isinstance(request, Update)
    assert request.record.lease_end > late.record.lease_end, (
        "the clock was set back, and the first write may still arrive"
    )
    assert late.admits(record())
    assert not late.admits(request.record)
    assert request.admits(late.record)


def test_refused_renewal_reads_the_record_and_finds_the_claim_lost() -> None:
    machine = Renewing(claim(), PROGRESS, TERMS)
    reading = machine.on_response(machine.ask(NOW), NOW, REFUSED)
    assert isinstance(reading, Renewing)
    assert reading.ask(NOW) == Read(KEY)
    for found in (
        None,
        record(owner="theirs", attempt=4),
        record(attempt=4),
        record(owner="", lease_end=0),
        record(state=ChunkState.DONE),
    ):
        assert reading.on_response(reading.ask(NOW), NOW, found) == Lost(KEY, found)


def test_renewal_refused_by_our_own_later_lease_end_exceeds_it() -> None:
    machine = Renewing(claim(), PROGRESS, TERMS)
    reading = machine.on_response(machine.ask(NOW), NOW, REFUSED)
    assert isinstance(reading, Renewing)
    found = record(lease_end=NOW.wall + 500_000)
    again = reading.on_response(reading.ask(NOW), NOW, found)
    assert isinstance(again, Renewing)
    request = again.ask(NOW)
    assert isinstance(request, Update)
    assert request.record.lease_end == found.lease_end + 1
    assert request.admits(found)


def test_completion_writes_done_under_our_token() -> None:
    machine = Completing(claim(), PROGRESS, TERMS)
    request = machine.ask(later(5))
    assert isinstance(request, Update)
    assert (request.owner, request.attempt, request.state, request.lease_end, request.lease_not_after) == (
        "ours",
        3,
        ChunkState.CLAIMED,
        None,
        None,
    )
    assert (request.record.state, request.record.owner, request.record.progress) == (ChunkState.DONE, "ours", PROGRESS)
    assert machine.on_response(request, later(5), WRITTEN) == Recorded(request.record)


def test_failed_completion_is_repeated() -> None:
    machine = Completing(claim(), PROGRESS, TERMS)
    assert machine.on_response(machine.ask(NOW), NOW, FAILED) == machine


def test_refused_completion_reads_the_record() -> None:
    machine = Completing(claim(), PROGRESS, TERMS)
    reading = machine.on_response(machine.ask(NOW), NOW, REFUSED)
    assert isinstance(reading, Completing)
    assert reading.ask(NOW) == Read(KEY)
    ours = record(state=ChunkState.DONE, progress=PROGRESS)
    assert reading.on_response(reading.ask(NOW), NOW, ours) == Recorded(ours)
    for found in (
        None,
        record(owner="theirs", attempt=4),
        record(owner="theirs", attempt=4, state=ChunkState.DONE),
        record(owner="", lease_end=0),
    ):
        assert reading.on_response(reading.ask(NOW), NOW, found) == Lost(KEY, found)


def test_release_clears_owner_lease_and_suspect_and_keeps_the_progress() -> None:
    machine = Releasing(claim(), replace(PROGRESS, suspect=11), TERMS)
    request = machine.ask(NOW)
    assert isinstance(request, Update)
    assert (request.owner, request.attempt, request.state) == ("ours", 3, ChunkState.CLAIMED)
    assert request.record.released
    assert (request.record.owner, request.record.attempt, request.record.progress) == ("", 3, PROGRESS)
    assert machine.on_response(request, NOW, WRITTEN) == Released(KEY)


def test_refused_release_ends_and_failed_release_is_repeated() -> None:
    machine = Releasing(claim(), PROGRESS, TERMS)
    assert machine.on_response(machine.ask(NOW), NOW, REFUSED) == Released(KEY)
    assert machine.on_response(machine.ask(NOW), NOW, FAILED) == machine


def test_withdrawal_releases_the_claim_that_the_token_made_with_its_progress() -> None:
    machine = Withdrawing(KEY, "ours", TERMS)
    assert machine.ask(NOW) == Read(KEY)
    releasing = machine.on_response(machine.ask(NOW), NOW, record(progress=PROGRESS))
    assert isinstance(releasing, Releasing)
    request = releasing.ask(NOW)
    assert isinstance(request, Update)
    assert (request.owner, request.attempt, request.state) == ("ours", 3, ChunkState.CLAIMED)
    assert request.record.released
    assert request.record.progress == PROGRESS


@pytest.mark.parametrize(
    "found",
    [
        None,
        record(owner="theirs"),
        record(owner="", lease_end=0),
        record(state=ChunkState.DONE),
        ChunkRecord.unreadable(KEY, "odd"),
    ],
    ids=["none", "of another", "released", "done", "unreadable"],
)
def test_withdrawal_leaves_every_other_record(found: ChunkRecord | None) -> None:
    machine = Withdrawing(KEY, "ours", TERMS)
    assert machine.on_response(machine.ask(NOW), NOW, found) == Released(KEY)


def test_late_renewal_and_late_completion_are_refused_after_a_release() -> None:
    release = Releasing(claim(), PROGRESS, TERMS).ask(NOW)
    assert isinstance(release, Update)
    for late in (Renewing(claim(), PROGRESS, TERMS).ask(NOW), Completing(claim(), PROGRESS, TERMS).ask(NOW)):
        assert isinstance(late, Update)
        assert not late.admits(release.record)


def test_claim_is_trusted_for_half_the_lease_if_the_margin_is_wider() -> None:
    assert Terms(lease=10_000, margin=8_000).trusted_seconds == 5.0
