"""Table: one service's things by name, some of which a reader doesn't see at once."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from tests.fleet.double.timeline import Timeline

Thing = TypeVar("Thing")


class ResourceTable(Generic[Thing]):
    """Writers see the truth; readers see a thing only ``lag`` seconds after it was made."""

    def __init__(self, timeline: Timeline, missing: Callable[[str], Exception], lag: float = 0.0) -> None:
        self._timeline = timeline
        self._missing = missing
        self._lag = lag
        self._held: dict[str, tuple[float, Thing]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def __iter__(self) -> Iterator[Thing]:
        return iter([thing for _, thing in self._held.values()])

    def __len__(self) -> int:
        return len(self._held)

    def names(self) -> list[str]:
        return list(self._held)

    def add(self, name: str, thing: Thing) -> Thing:
        self._held[name] = (self._timeline.now, thing)
        return thing

    def get(self, name: str) -> Thing:
        """The thing, or the service's error for a missing one."""
        if name not in self._held:
            raise self._missing(name)
        return self._held[name][1]

    def find(self, name: str) -> Thing | None:
        return self._held[name][1] if name in self._held else None

    def seen(self) -> list[Thing]:
        """What a reader sees now."""
        return [thing for made, thing in self._held.values() if made + self._lag <= self._timeline.now]

    def remove(self, name: str) -> None:
        self._held.pop(name, None)
