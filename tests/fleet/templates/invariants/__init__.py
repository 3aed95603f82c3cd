"""Invariants: what must hold of the compute template's resources beyond what cfn-lint sees.

Each takes the rendered resources and yields, in a line, everything that breaks it. Why each must hold is said in the
template. ``INVARIANTS`` are all of them by name; ``test_invariants`` shows each to find what it is for.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from tests.fleet.templates.invariants import capacity, containers, retention, roles, scaling, services
from tests.support.template_rendering import Resources

Invariant = Callable[[Resources], Iterator[str]]

INVARIANTS: Final[Mapping[str, Invariant]] = {
    f"{module.__name__.rpartition('.')[2]}.{function.__name__}": function
    for module in (capacity, containers, retention, roles, scaling, services)
    for function in module.ALL
}
