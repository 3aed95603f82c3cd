"""Explores all states that a model can reach, breadth first."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

W = TypeVar("W", bound=Hashable)

LARGEST = 250_000
"""States. A larger search is an error, because it would take minutes."""


class Broken(AssertionError):
    """A promise is broken in a reachable state."""


@dataclass(frozen=True)
class Found:
    """The result of a search: the number of states, and the path to the first broken promise, if any."""

    states: int
    broken: str = ""
    path: tuple[str, ...] = ()


@dataclass(frozen=True)
class Space(Generic[W]):
    """A model's states: where they start, how they follow one another, and what must hold in each."""

    start: W
    steps: Callable[[W], Iterable[tuple[str, W]]]
    check: Callable[[W], None]
    """Raises ``Broken`` if a promise does not hold in the state."""
    is_settled: Callable[[W], bool]
    must_settle: Callable[[W], bool] | None
    """Whether a settled state must be reachable from this state without another fault; ``None`` for none of them."""
    faults: Callable[[W], int]
    """The number of faults that can still happen."""


def explore(space: Space[W]) -> Found:
    """Search breadth first, so that a path to a broken promise is a shortest one."""
    came_from: dict[W, tuple[W, str] | None] = {space.start: None}
    predecessors: dict[W, list[W]] = {}
    queue = deque([space.start])
    world = space.start
    try:
        while queue:
            world = queue.popleft()
            assert len(came_from) < LARGEST, "the search is too large"
            space.check(world)
            for what, after in space.steps(world):
                if after not in came_from:
                    came_from[after] = (world, what)
                    queue.append(after)
                if space.must_settle and space.faults(after) == space.faults(world):
                    predecessors.setdefault(after, []).append(world)
        stuck = _find_stuck(space, came_from, predecessors)
    except Broken as broken:
        return Found(len(came_from), str(broken), _path(came_from, world))
    if stuck is not None:
        return Found(len(came_from), "promise 5: the end can no longer be reached", _path(came_from, stuck))
    return Found(len(came_from))


def _find_stuck(space: Space[W], worlds: Iterable[W], predecessors: dict[W, list[W]]) -> W | None:
    """Return the first state that must settle and can't."""
    if space.must_settle is None:
        return None
    settled = {world for world in worlds if space.is_settled(world)}
    queue = deque(settled)
    while queue:
        for before in predecessors.get(queue.popleft(), ()):
            if before not in settled:
                settled.add(before)
                queue.append(before)
    return next((world for world in worlds if world not in settled and space.must_settle(world)), None)


def _path(came_from: dict[W, tuple[W, str] | None], world: W) -> tuple[str, ...]:
    steps: list[str] = []
    while step := came_from[world]:
        world, what = step
        steps.append(what)
    return tuple(reversed(steps))
