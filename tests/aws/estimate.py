"""Estimates what the trial may cost before it starts."""

from typing import Final

from cloudkon.prices import prices
from fleet.aws.cost import Rate, fleet_cost
from fleet.aws.resources.auto_scaling_group import Ec2Instance
from fleet.aws.resources.compute_parameters import DEFAULT_TYPES

INSTANCES: Final = 2
"""``--max-instances`` of the trial."""
HOURS: Final = 2.0
"""More than it takes: each step has its own deadline."""
VOLUME_GIB: Final = 30
REST: Final = 0.25
"""Dollars for requests, logs, metrics and stored images, at most."""


def estimate() -> str:
    """Return the highest cost, with the arithmetic."""
    type_ = DEFAULT_TYPES["x86_64"]
    instances = [Ec2Instance(f"i-{number}", type_, "running", 0.0, spot=False) for number in range(INSTANCES)]
    hour = fleet_cost(instances, VOLUME_GIB, Rate(0, 0), prices()).hour
    return (
        f"at most ${hour * HOURS + REST:.2f}: {HOURS:g} h of {INSTANCES} {type_}, ${hour:.3f} an hour together, and "
        f"${REST:.2f} for requests, logs and images ({prices().origin}; other regions differ)"
    )
