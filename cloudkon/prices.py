"""Prices: what AWS charges for what a fleet uses, by the list in ``prices.toml``, which has a date."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

LIST: Final = Path(__file__).with_suffix(".toml")
_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars. ``spot_share`` is what a Spot instance costs of an On-Demand one, roughly."""

    region: str
    date: str
    sqs_request: float
    """Of up to 64 KiB."""
    write_unit: float
    """DynamoDB, on demand: 1 KB of an item written."""
    read_unit: float
    """DynamoDB, on demand: 4 KB of an item read strongly."""
    instance_hour: Mapping[str, float]
    spot_share: float
    gp3_gib_month: float
    public_address_hour: float

    @property
    def origin(self) -> str:
        """Where they come from, for a person."""
        return f"list prices of {self.region}, {self.date}"


@cache
def prices() -> Prices:
    """The list in the package."""
    listed = tomllib.loads(LIST.read_text(encoding="utf-8"))
    ledger, machines = listed["dynamodb"], listed["ec2"]
    return Prices(
        region=listed["region"],
        date=str(listed["date"]),
        sqs_request=listed["sqs"]["million_requests"] / _MILLION,
        write_unit=ledger["million_write_units"] / _MILLION,
        read_unit=ledger["million_read_units"] / _MILLION,
        instance_hour=machines["instance_hour"],
        spot_share=machines["spot_share"],
        gp3_gib_month=machines["gp3_gib_month"],
        public_address_hour=machines["public_address_hour"],
    )
