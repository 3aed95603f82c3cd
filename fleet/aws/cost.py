"""Cost: what the fleet costs now, reckoned by the list of prices. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cloudkon.prices import Prices

from .resources.auto_scaling_group import Ec2Instance

MONTH_HOURS: Final = 730
REQUESTS_PER_CHUNK: Final = 0.5
"""SQS requests for one chunk's messages under load: sent, received, deleted and reported, ten a request."""
WRITES_PER_CHUNK: Final = 2.0
"""Write units for one chunk's item: claimed and completed."""
THOUSAND, HOUR = 1000, 3600


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars an hour now, and for 1,000 tasks at the present rate (``None`` where none ended lately)."""

    hour: float
    thousand_tasks: float | None
    origin: str
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rate:
    """Chunks and tasks that end in an hour."""

    chunks: float
    tasks: float


def hourly_price(instance: Ec2Instance, listed: Prices) -> float | None:
    """An instance's hour, Spot reckoned at a flat share of the list price; ``None`` for a type not in the list."""
    price = listed.instance_hour.get(instance.type)
    if price is None:
        return None
    return price * listed.spot_share if instance.spot else price


def fleet_cost(instances: Sequence[Ec2Instance], volume_gib: int, rate: Rate, listed: Prices) -> Cost:
    """What these instances cost with their volumes and public addresses, and what tasks at that rate cost."""
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
