"""Holds figures that others published. None was measured here, and every table says so."""

from dataclasses import dataclass
from typing import Final

from .experiments import Experiment


@dataclass(frozen=True, slots=True)
class Published:
    """Figures of one report.

    ``tasks_per_second`` is the rate of one worker with tasks that do nothing; ``efficiency`` is a worker's efficiency,
    0 to 1, by the milliseconds of a task.
    """

    whose: str
    tasks_per_second: float
    efficiency: dict[float, float]

    def rate(self, experiment: Experiment, workers: int) -> float | None:
        """Return the rate of several workers if each were as fast as their single one."""
        return workers * self.tasks_per_second if experiment.is_throughput else None

    def share(self, experiment: Experiment) -> float | None:
        """Return their efficiency in an experiment, or ``None`` if they published none."""
        return None if experiment.milliseconds is None else self.efficiency.get(experiment.milliseconds)


CLONE_2014: Final = Published("a clone of CloudKon, 2014, by its own report", 31.7, {10: 0.24})
"""A student's, on EC2 with SQS and DynamoDB: receive, get, execute, put, respond, delete, one after another."""
