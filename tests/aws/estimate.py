"""Estimates from the price list what the trial may cost, before it starts."""

from dataclasses import dataclass
from typing import Final

from cloudkon.prices import prices
from fleet.aws.cost import Rate, fleet_cost
from fleet.aws.resources.auto_scaling_group import Ec2Instance
from fleet.aws.resources.compute_parameters import DEFAULT_TYPES

INSTANCES: Final = 2
"""``--max-instances`` of the trial."""
TYPE: Final = DEFAULT_TYPES["x86_64"]
VOLUME_GIB: Final = 30
DOWN_HOURS: Final = 0.7
"""The longest that taking the fleet down may take. It is paid as well."""
REST: Final = 0.25
"""Dollars for requests, logs, metrics, alarms and stored images, at most."""
EXPERIMENT_MINUTES: Final = 4
"""Action-minutes of one Spot interruption: two of notice, and as many again."""
ACTION_MINUTE: Final = 0.12
"""Dollars for one action-minute: 0.10, in GovCloud 0.12 (AWS Fault Injection Service pricing)."""
FIXED: Final = REST + EXPERIMENT_MINUTES * ACTION_MINUTE
"""Dollars that don't depend on how long instances run."""
OTHER_REGIONS: Final = 1.6
"""The price of an instance elsewhere, at most, as a multiple of the price in the list's region. A careful guess."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """US dollars at most, and the arithmetic as text for people."""

    dollars: float
    text: str


def hour_price(instances: list[Ec2Instance], region: str) -> float:
    """Return the dollars for one hour of instances. Spot and types without a listed price cost as much as ``TYPE``."""
    listed = prices()
    counted = [
        Ec2Instance(one.id, one.type if one.type in listed.instance_hour else TYPE, one.state, one.launched)
        for one in instances
    ]
    hour = fleet_cost(counted, VOLUME_GIB, Rate(0, 0), listed).hour
    return hour if region == listed.region else hour * OTHER_REGIONS


def full_fleet() -> list[Ec2Instance]:
    """Return as many instances as the fleet may have."""
    return [Ec2Instance(f"i-{number}", TYPE, "running", 0.0) for number in range(INSTANCES)]


def estimate(region: str, hours: float) -> Estimate:
    """Return the highest cost of a trial that is taken down after ``hours``."""
    hour = hour_price(full_fleet(), region)
    dollars = hour * (hours + DOWN_HOURS) + FIXED
    listed = prices()
    elsewhere = "" if region == listed.region else f", times {OTHER_REGIONS:g} since prices of {region} are not listed"
    return Estimate(
        dollars,
        f"at most ${dollars:.2f}: {hours:g} h and {DOWN_HOURS:g} h for taking down, of {INSTANCES} {TYPE} with disks "
        f"and addresses, ${hour:.3f} an hour together ({listed.origin}{elsewhere}), Spot counted as On-Demand; "
        f"${EXPERIMENT_MINUTES * ACTION_MINUTE:.2f} for one Spot interruption; ${REST:.2f} for requests, logs, alarms "
        "and images. Not known: taxes, what NAT or VPC endpoints of yours cost, and prices changed since that date",
    )
