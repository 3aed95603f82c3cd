"""Derives the data template's optional parameters from the user's options, and says what they cost."""

from collections.abc import Iterator, Mapping
from typing import Final

from cloudkon.errors import InvalidInput
from cloudkon.prices import Prices

from ...target_options import NEW_TABLE_WRITES, Sizing

_CHOICES: Final = {True: "enabled", False: "disabled"}


def data_parameters(sizing: Sizing, known: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters for the user's options. ``known`` are the stack's present ones.

    Raises ``InvalidInput`` for a warm throughput below the present one, which DynamoDB can't lower.
    """
    chosen: dict[str, str] = {}
    if sizing.warm_throughput is not None:
        present = warm_writes(known)
        if sizing.warm_throughput < present:
            raise InvalidInput(
                f"--warm-throughput {sizing.warm_throughput}",
                f"the ledger's is {present}, and DynamoDB can't lower it",
                f"Leave it out, or give at least {present}",
            )
        chosen["WarmWrites"] = str(sizing.warm_throughput)
    if sizing.point_in_time_recovery is not None:
        chosen["PointInTimeRecovery"] = _CHOICES[sizing.point_in_time_recovery]
    if sizing.versioning is not None:
        chosen["Versioning"] = _CHOICES[sizing.versioning]
    return chosen


def warm_writes(known: Mapping[str, str]) -> int:
    """Return the warm throughput that a data stack asks for; 0 if none."""
    return int(known.get("WarmWrites") or 0)


def option_costs(chosen: Mapping[str, str], known: Mapping[str, str], listed: Prices) -> Iterator[str]:
    """Yield what newly chosen options cost, a line each."""
    changed = {key: value for key, value in chosen.items() if known.get(key) != value}
    if "WarmWrites" in changed:
        more = int(changed["WarmWrites"]) - max(NEW_TABLE_WRITES, warm_writes(known))
        cost = more * listed.provisioned_write_unit_hour
        yield f"warm throughput of {changed['WarmWrites']} writes a second: about ${cost:.2f} once ({listed.origin})"
    if changed.get("PointInTimeRecovery") == "enabled":
        yield f"point-in-time recovery: ${listed.recovery_gb_month:.2f} a GB of the ledger and month ({listed.origin})"
    if changed.get("Versioning") == "enabled":
        yield (
            f"versioning: old versions stay for 30 days, at ${listed.store_gb_month:.3f} a GB and month "
            f"({listed.origin})"
        )
