"""Experiments: what the CloudKon reports measured, and how much of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cloudkon.errors import InvalidInput
from cloudkon.model import ANIMOTO, WORKER

LOCAL: Final = "local-"
"""How the names begin of experiments in one process, whose width is its slots."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One workload, measured at several widths: workers of a fleet, or slots of one process.

    ``tasks`` is for each slot, or in all where ``in_all`` says so; ``milliseconds`` what one takes, ``None`` where
    that is to be found out.
    """

    name: str
    title: str
    tasks: int
    milliseconds: float | None
    in_all: bool = False
    pool: str = WORKER.name

    @property
    def is_local(self) -> bool:
        """Whether it runs in one process of its own, without the fleet."""
        return self.name.startswith(LOCAL)

    @property
    def instruction(self) -> str:
        """What each task is; nothing for slideshows, which all differ."""
        return "" if self.milliseconds is None else f"sleep {self.milliseconds:g}"

    @property
    def is_throughput(self) -> bool:
        """Whether tasks do nothing, so that only how many there are a second counts."""
        return self.milliseconds == 0

    def count(self, slots: int, share: float) -> int:
        """Its tasks at so many slots in all, with so large a share of them."""
        return max(1, round(self.tasks * share)) * (1 if self.in_all else slots)


_SLEEPS: Final = (
    Experiment("throughput", "Throughput: tasks that do nothing", 10_000, 0, in_all=True),
    Experiment("10ms", "Efficiency of 10 ms", 1_000, 10),
    Experiment("1s", "Efficiency of 1 s", 100, 1_000),
    Experiment("10s", "Efficiency of 10 s", 10, 10_000),
)
EXPERIMENTS: Final = (
    *_SLEEPS,
    *(
        Experiment(LOCAL + one.name, f"{one.title}, in one process", one.tasks, one.milliseconds, one.in_all)
        for one in _SLEEPS
    ),
    Experiment("animoto", "Slideshows", 10, None, pool=ANIMOTO.name),
)
"""In the order in which they are measured and reported."""
PICTURES: Final = 60
"""Of a slideshow."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One experiment at one width: what is measured at a time."""

    experiment: Experiment
    width: int

    @property
    def key(self) -> str:
        """Its name in the findings."""
        return f"{self.experiment.name}/{self.width}"

    def __str__(self) -> str:
        """``10ms, 4 workers``."""
        noun = "slot" if self.experiment.is_local else "worker"
        return f"{self.experiment.name}, {self.width} {noun}{'' if self.width == 1 else 's'}"


def chosen(names: Iterable[str]) -> list[Experiment]:
    """The experiments of these names, or all. Raises ``InvalidInput`` for a name that none has."""
    wanted = list(names)
    known = [one.name for one in EXPERIMENTS]
    for name in wanted:
        if name not in known:
            raise InvalidInput(f"experiment {name!r:.40}", "there is no such one", "Known: " + ", ".join(known))
    return [one for one in EXPERIMENTS if one.name in wanted or not wanted]


def cells(experiments: Iterable[Experiment], workers: Sequence[int], slots: Sequence[int]) -> list[Cell]:
    """Every experiment at each of its widths."""
    return [Cell(one, width) for one in experiments for width in (slots if one.is_local else workers)]
