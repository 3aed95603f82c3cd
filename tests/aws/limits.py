"""Reads how much the trial may spend and how long it may take."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from cloudkon.errors import InvalidInput, InvalidSetting
from tests.aws.estimate import Estimate

DOLLARS = "CLOUDKON_TRIAL_DOLLARS"
HOURS = "CLOUDKON_TRIAL_HOURS"


@dataclass(frozen=True, slots=True)
class Limits:
    """US dollars that the trial may cost, and hours after which everything is taken down."""

    dollars: float = 2.0
    hours: float = 3.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read both from variables. Raises ``InvalidSetting`` for what is no number above zero."""
        return cls(_number(environment, DOLLARS, cls().dollars), _number(environment, HOURS, cls().hours))

    def check(self, estimate: Estimate) -> None:
        """Raise ``InvalidInput`` if the trial may cost more than allowed."""
        if estimate.dollars > self.dollars:
            raise InvalidInput(
                f"limit of ${self.dollars:.2f}",
                f"the trial may cost ${estimate.dollars:.2f}, so nothing was made",
                f"Set {DOLLARS} to {math.ceil(estimate.dollars * 10) / 10:.1f} or more, or {HOURS} to less",
            )


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, "")
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not (math.isfinite(number) and number > 0):
        raise InvalidSetting(f"{name} {text!r:.60}", "it is not a number above 0", "Fix it, or leave it out")
    return number
