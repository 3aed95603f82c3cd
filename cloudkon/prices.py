"""Reads AWS's prices for what a fleet uses from the dated list in ``prices.toml``."""

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
    """List prices of one region, in US dollars."""

    region: str
    date: str
    sqs_request: float
    """One request with up to 64 KiB of payload."""
    write_unit: float
    """DynamoDB, on demand: one write of up to 1 KB of an item."""
    read_unit: float
    """DynamoDB, on demand: one strongly consistent read of up to 4 KB of an item."""
    provisioned_write_unit_hour: float
    """DynamoDB, provisioned: one write unit for one hour. Warm throughput costs as much, once, for each added unit."""
    recovery_gb_month: float
    """DynamoDB: point-in-time recovery of one GB for one month."""
    store_gb_month: float
    """S3 Standard: one GB for one month."""
    instance_hour: Mapping[str, float]
    """One hour of an On-Demand Linux instance, by instance type."""
    spot_share: float
    """The price of a Spot instance as a share of the On-Demand price, roughly: 0.4 for 40 %."""
    gp3_gib_month: float
    """One GiB of a gp3 volume for one month."""
    public_address_hour: float
    """One public IPv4 address for one hour."""

    @property
    def origin(self) -> str:
        """The region and the date of the list, as text for people."""
        return f"list prices of {self.region}, {self.date}"


@cache
def prices() -> Prices:
    """Return the price list that the package contains."""
    listed = tomllib.loads(LIST.read_text(encoding="utf-8"))
    dynamodb, ec2 = listed["dynamodb"], listed["ec2"]
    return Prices(
        region=listed["region"],
        date=str(listed["date"]),
        sqs_request=listed["sqs"]["million_requests"] / _MILLION,
        write_unit=dynamodb["million_write_units"] / _MILLION,
        read_unit=dynamodb["million_read_units"] / _MILLION,
        provisioned_write_unit_hour=dynamodb["provisioned_write_unit_hour"],
        recovery_gb_month=dynamodb["recovery_gb_month"],
        store_gb_month=listed["s3"]["gb_month"],
        instance_hour=ec2["instance_hour"],
        spot_share=ec2["spot_share"],
        gp3_gib_month=ec2["gp3_gib_month"],
        public_address_hour=ec2["public_address_hour"],
    )
