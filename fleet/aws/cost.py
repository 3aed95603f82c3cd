"""Estimates what the fleet costs now from the price list. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cloudkon.prices import Prices

from .resources.auto_scaling_group import Ec2Instance

MONTH_HOURS: Final = 730
REQUESTS_PER_CHUNK: Final = 0.5
"""SQS requests for one chunk's messages under load: send, receive, delete and report, ten messages a request."""
WRITES_PER_CHUNK: Final = 2.0
"""Write units for one chunk's item: its claim and its completion."""
THOUSAND, HOUR = 1000, 3600


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars an hour now, and dollars for 1,000 tasks at the present rate (``None`` if no task ended recently)."""

    hour: float
    thousand_tasks: float | None
    origin: str
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rate:
    """Chunks and tasks that end per hour."""

    chunks: float
    tasks: float


def hourly_price(instance: Ec2Instance, listed: Prices) -> float | None:
    """Return an instance's price per hour, or ``None`` if its type is not in the list. Spot is a flat share of it."""
    price = listed.instance_hour.get(instance.type)
    if price is None:
        return None
    return price * listed.spot_share if instance.spot else price


def fleet_cost(instances: Sequence[Ec2Instance], volume_gib: int, rate: Rate, listed: Prices) -> Cost:
    """Return the cost of these instances with their volumes and public addresses, and of tasks at that rate."""
    hours = {instance.id: hourly_price(instance, listed) for instance in instances}
    each = listed.gp3_gib_month * volume_gib / MONTH_HOURS + listed.public_address_hour
    hour = sum(price for price in hours.values() if price) + each * len(instances)
    chunk = REQUESTS_PER_CHUNK * listed.sqs_request + WRITES_PER_CHUNK * listed.write_unit
    hour += chunk * rate.chunks
    return Cost(
        hour=hour,
        thousand_tasks=hour / rate.tasks * THOUSAND if rate.tasks else None,
        origin=listed.origin,
        unknown=tuple(sorted({instance.type for instance in instances if hours[instance.id] is None})),
    )
