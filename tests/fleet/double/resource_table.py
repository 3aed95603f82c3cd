"""Stores one service's items by name; readers may see new items late."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from tests.fleet.double.timeline import Timeline

Thing = TypeVar("Thing")


class ResourceTable(Generic[Thing]):
    """Writers see every item at once; readers see an item only ``lag`` seconds after its creation."""

    def __init__(self, timeline: Timeline, missing: Callable[[str], Exception], lag: float = 0.0) -> None:
        self._timeline = timeline
        self._missing = missing
        self._lag = lag
        self._held: dict[str, tuple[float, Thing]] = {}

    def __contains__(self, name: object) -> bool:
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
        """Return the item; raises the service's error if it is missing."""
        if name not in self._held:
            raise self._missing(name)
        return self._held[name][1]

    def find(self, name: str) -> Thing | None:
        return self._held[name][1] if name in self._held else None

    def seen(self) -> list[Thing]:
        """Return what a reader sees now."""
        return [thing for made, thing in self._held.values() if made + self._lag <= self._timeline.now]

    def remove(self, name: str) -> None:
        self._held.pop(name, None)
