"""Invariants of the compute template's resources, beyond what cfn-lint sees.

Each function reads the rendered resources and yields one line for each violation. The template explains the reasons.
``INVARIANTS`` has all of them by name; ``test_invariants`` shows that each finds its faults.
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
