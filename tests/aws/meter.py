"""Adds up what the trial has cost so far from instances and time, and ends it at a limit."""

import time
from collections.abc import Callable
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from cloudkon.errors import CloudKonError
from fleet.aws.resources.auto_scaling_group import Ec2Instance
from tests.aws.estimate import DOWN_HOURS, FIXED, full_fleet, hour_price
from tests.aws.limits import Limits

READ_SECONDS: Final = 15.0
"""The shortest time between two questions to EC2."""
HOUR: Final = 3600.0


class LimitReached(CloudKonError):
    """The trial would cost more, or take longer, than allowed."""


class Meter:
    """Reads EC2's list of the fleet's instances while the trial runs.

    It errs upwards: what is neither listed nor known costs as much as the whole fleet, and what taking down may cost is
    set aside from the start.
    """

    def __init__(
        self,
        limits: Limits,
        region: str,
        read_instances: Callable[[], list[Ec2Instance]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start now. ``clock`` returns seconds."""
        self._limits = limits
        self._region = region
        self._read_instances = read_instances
        self._clock = clock
        self._began = self._read = clock()
        self._hour = 0.0
        self.dollars = FIXED

    @property
    def hours(self) -> float:
        """How long the trial has taken."""
        return (self._clock() - self._began) / HOUR

    def check(self) -> None:
        """Raise ``LimitReached`` if taking the fleet down can't wait any longer."""
        self._update()
        reserve = hour_price(full_fleet(), self._region) * DOWN_HOURS
        if self.dollars + reserve > self._limits.dollars:
            raise LimitReached(
                f"the trial has cost about ${self.dollars:.2f}, taking down may cost ${reserve:.2f}, and the limit is "
                f"${self._limits.dollars:.2f}: it ends here"
            )
        if self.hours > self._limits.hours:
            raise LimitReached(f"the trial has taken {self.hours:.1f} h, which is its limit: it ends here")

    def _update(self) -> None:
        now = self._clock()
        if now - self._read < READ_SECONDS:
            return
        try:
            hour = hour_price(self._read_instances(), self._region)
        except (CloudKonError, BotoCoreError, ClientError):
            hour = hour_price(full_fleet(), self._region)
        # Instances that came or went in between count for all of the time.
        self.dollars += max(hour, self._hour) * (now - self._read) / HOUR
        self._hour, self._read = hour, now
