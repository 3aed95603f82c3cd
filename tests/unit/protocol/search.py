"""Searches all states that a model can reach, and checks the promises of the design in each."""

from cloudkon.model import ChunkState, TaskState
from cloudkon.model.chunk_record import NO_OWNER
from tests.unit.protocol.exploration import Broken, Found, Space, explore
from tests.unit.protocol.model import TICK, ChunkWorld, Job, Model, World


def search(model: Model, *, settled_by: int | None = None) -> Found:
    """Search all reachable states.

    With ``settled_by``, it also checks that from each state up to that tick, an end can be reached without another
    fault in which everything is done, published and deleted (promises 1, 4 and 5: nothing is stuck).
    """
    return explore(
        Space(
            model.start(),
            model.steps,
            lambda world: check(model, world),
            _is_settled,
            None if settled_by is None else lambda world: world.now <= settled_by,
            lambda world: world.faults,
        )
    )


def check(model: Model, world: World) -> None:
    """Raise ``Broken`` if a promise does not hold in this state."""
    for chunk, state in enumerate(world.chunks):
        if all(message.deleted for message in state.messages) and not _is_done(state):
            raise Broken("promise 1: the messages are gone and the chunk is not done")
        if state.published and not _is_done(state):
            raise Broken("promise 4: a result is published that is not recorded")
        if state.record and state.published - {state.record.progress.results}:
            raise Broken("promise 4: a published result differs from the recorded one")
        if all(message.deleted for message in state.messages) and not state.published:
            raise Broken("promise 4: the messages are gone and nothing is published")
        jobs = [row[chunk] for row in world.jobs]
        if sum(1 for job in jobs if job and _relies_on_claim(job, world, model)) > 1:
            raise Broken("promise 3: two workers hold a live claim")
        _check_that_claims_are_worked_on(model, world, chunk)
        if _is_done(state) and state.record:
            states = {result.state for result in state.record.progress.results}
            if len(state.record.progress.results) != 1 or TaskState.FAILED in states:
                raise Broken("promise 2 or 6: not exactly one result, or a healthy task failed")


def _check_that_claims_are_worked_on(model: Model, world: World, chunk: int) -> None:
    """Check that a living worker works on its claim while it may rely on it, so that others don't wait in vain."""
    record = world.chunks[chunk].record
    if record is None or record.state is ChunkState.DONE or record.owner == NO_OWNER:
        return
    worker, life, _ = record.owner[1:].split(".")
    if int(life) != world.restarts[int(worker)]:
        return
    over = record.lease_end // TICK - model.skew[int(worker)] - model.margin <= world.now
    job = world.jobs[int(worker)][chunk]
    if not over and not (job and record.owner in (getattr(job.machine, "token", ""), job.claim and job.claim.token)):
        raise Broken("promise 5: a live claim of a living worker without work on it")


def _is_done(state: ChunkWorld) -> bool:
    return state.record is not None and state.record.state is ChunkState.DONE


def _relies_on_claim(job: Job, world: World, model: Model) -> bool:
    """Whether a worker runs tasks under a claim. A worker paused beyond its lease does not, until it wakes."""
    if job.stage not in ("running", "renewing") or job.claim is None:
        return False
    return world.now < job.claim.trusted_until or "own clock" in model.dropped


def _is_settled(world: World) -> bool:
    return all(
        _is_done(state) and bool(state.published) and all(message.deleted for message in state.messages)
        for state in world.chunks
    )
