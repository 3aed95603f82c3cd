"""Searches all states that a model can reach, and checks the promises of the design in each."""

from collections import deque
from dataclasses import dataclass

from cloudkon.model import ChunkState, TaskState
from cloudkon.model.chunk_record import NO_OWNER
from tests.unit.protocol.model import TICK, Broken, ChunkWorld, Job, Model, World


@dataclass(frozen=True)
class Found:
    """The result of a search: the number of states, and the path to the first broken promise, if any."""

    states: int
    broken: str = ""
    path: tuple[str, ...] = ()


LARGEST = 250_000
"""States. A larger search is an error, because it would take minutes."""


def search(model: Model, *, settled_by: int | None = None) -> Found:
    """Search breadth first, so that a path to a broken promise is a shortest one.

    With ``settled_by``, it also checks that from each state up to that tick, an end can be reached without another
    fault in which everything is done, published and deleted (promises 1, 4 and 5: nothing is stuck).
    """
    start = model.start()
    came_from: dict[World, tuple[World, str] | None] = {start: None}
    predecessors: dict[World, list[World]] = {}
    queue = deque([start])
    world = start
    try:
        while queue:
            world = queue.popleft()
            assert len(came_from) < LARGEST, f"the search is too large: {model}"
            check(model, world)
            for what, after in model.steps(world):
                if after not in came_from:
                    came_from[after] = (world, what)
                    queue.append(after)
                if settled_by is not None and after.faults == world.faults:
                    predecessors.setdefault(after, []).append(world)
        if settled_by is not None:
            world = _check_that_all_settle(came_from, predecessors, settled_by) or world
    except Broken as broken:
        return Found(len(came_from), str(broken), _path(came_from, world))
    return Found(len(came_from))


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


def _check_that_all_settle(
    came_from: dict[World, tuple[World, str] | None], predecessors: dict[World, list[World]], settled_by: int
) -> World | None:
    settled = {
        world
        for world in came_from
        if all(_is_done(s) and s.published and all(m.deleted for m in s.messages) for s in world.chunks)
    }
    queue = deque(settled)
    while queue:
        for before in predecessors.get(queue.popleft(), ()):
            if before not in settled:
                settled.add(before)
                queue.append(before)
    for world in came_from:
        if world.now <= settled_by and world not in settled:
            path = " → ".join(_path(came_from, world))
            raise Broken(f"promise 5: the end can no longer be reached after: {path}")
    return None


def _path(came_from: dict[World, tuple[World, str] | None], world: World) -> tuple[str, ...]:
    steps: list[str] = []
    while step := came_from[world]:
        world, what = step
        steps.append(what)
    return tuple(reversed(steps))
