"""Defines the experiments of the CloudKon reports, and the cells (experiment and width) of a bench."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cloudkon.errors import InvalidInput
from cloudkon.model import ANIMOTO, WORKER

LOCAL: Final = "local-"
"""Prefix of the experiments in one process, whose width is the number of slots."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One workload, measured at several widths: workers of a fleet, or slots of one process.

    ``tasks`` is the number per slot, with ``in_all`` the number in all. ``milliseconds`` is what a task takes; ``None``
    if the bench has to measure it.
    """

    name: str
    title: str
    tasks: int
    milliseconds: float | None
    in_all: bool = False
    pool: str = WORKER.name

    @property
    def is_local(self) -> bool:
        """Whether it runs in one process, without the fleet."""
        return self.name.startswith(LOCAL)

    @property
    def instruction(self) -> str:
        """The instruction of every task; empty for slideshows, which all differ."""
        return "" if self.milliseconds is None else f"sleep {self.milliseconds:g}"

    @property
    def is_throughput(self) -> bool:
        """Whether tasks do nothing, so that only tasks per second are measured."""
        return self.milliseconds == 0

    def count(self, slots: int, share: float) -> int:
        """Return the number of tasks for ``slots`` slots in all, at a ``share`` of the full number."""
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
"""All experiments, in the order in which they are measured and reported."""
PICTURES: Final = 60
"""Pictures of a slideshow."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One experiment at one width: the unit that is measured."""

    experiment: Experiment
    width: int

    @property
    def key(self) -> str:
        """The cell's key in the findings."""
        return f"{self.experiment.name}/{self.width}"

    def __str__(self) -> str:
        """``10ms, 4 workers``."""
        noun = "slot" if self.experiment.is_local else "worker"
        return f"{self.experiment.name}, {self.width} {noun}{'' if self.width == 1 else 's'}"


def chosen(names: Iterable[str]) -> list[Experiment]:
    """Return the experiments with these names, by default all. Raises ``InvalidInput`` for an unknown name."""
    wanted = list(names)
    known = [one.name for one in EXPERIMENTS]
    for name in wanted:
        if name not in known:
            raise InvalidInput(f"experiment {name!r:.40}", "unknown", "Known: " + ", ".join(known))
    return [one for one in EXPERIMENTS if one.name in wanted or not wanted]


def cells(experiments: Iterable[Experiment], workers: Sequence[int], slots: Sequence[int]) -> list[Cell]:
    """Return a cell for every experiment at each of its widths."""
    return [Cell(one, width) for one in experiments for width in (slots if one.is_local else workers)]
