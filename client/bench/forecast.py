"""Forecasts what a bench would do: its tasks, the shortest time, and the cost of its requests."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..costs import estimate_cost
from .experiments import PICTURES, Cell
from .measuring import Terms

_ADDRESS_BYTES = 100
"""Rough size of a picture's link."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The forecast of one cell.

    ``seconds`` is the time of its tasks at full efficiency, ``None`` if unknown; ``dollars`` is the price of its
    requests on AWS, without machines.
    """

    cell: Cell
    tasks: int
    messages: int
    seconds: float | None
    dollars: float


def forecast(cells: Iterable[Cell], terms: Terms) -> list[Forecast]:
    """Return a forecast for each cell."""
    return [_of(cell, terms) for cell in cells]


def _of(cell: Cell, terms: Terms) -> Forecast:
    one = cell.experiment
    slots = cell.width if one.is_local else cell.width * terms.slots
    tasks = one.count(slots, terms.share)
    known = one.milliseconds is not None and not one.is_throughput
    seconds = tasks * one.milliseconds / 1000 / slots if known and one.milliseconds is not None else None
    if one.is_local:
        return Forecast(cell, tasks, 0, seconds, 0.0)
    messages = -(-tasks // terms.chunk)
    size = tasks * (len(one.instruction) or PICTURES * _ADDRESS_BYTES)
    return Forecast(
        cell,
        tasks,
        messages,
        seconds,
        estimate_cost(tasks, messages, size, tasks * (one.milliseconds or 0) / 1000).total,
    )
