"""Says why pools don't reach their counts while a command waits for them."""

from collections.abc import Collection, Iterable
from typing import Final

import trio

from ..target import Report
from .diagnosis import Finding, diagnose, gather_evidence
from .resources.account_stacks import AccountStacks
from .resources.ecs_service import PoolService

INTERVAL_SECONDS: Final = 20.0
"""Between two diagnoses: each makes half a dozen calls."""


class PeriodicDiagnosis:
    """Diagnoses pools every ``INTERVAL_SECONDS``, and reports a reason when it is another one than before."""

    def __init__(self, stacks: AccountStacks, report: Report, *, soon: bool = False) -> None:
        """The first diagnosis is due an interval from now, or if ``soon`` half an interval."""
        self._stacks, self._report = stacks, report
        self._next = trio.current_time() + (INTERVAL_SECONDS / 2 if soon else INTERVAL_SECONDS)
        self.reason = ""
        """What was reported last; empty before."""

    def due(self) -> bool:
        """Whether it is time for a diagnosis. If so, the next one is due an interval later."""
        if trio.current_time() < self._next:
            return False
        self._next = trio.current_time() + INTERVAL_SECONDS
        return True

    async def diagnose(self, services: Iterable[PoolService], earlier: Collection[str] = ()) -> Finding | None:
        """Return the first problem of these pools, a permanent one before others; ``None`` if there is none.

        ``earlier``: what no longer counts, from ``earlier_failures``.
        """
        found = [finding for one in services for finding in diagnose(await gather_evidence(self._stacks, one, earlier))]
        found.sort(key=lambda finding: not finding.permanent)
        return self.tell(found[0]) if found else None

    def tell(self, finding: Finding) -> Finding:
        """Report a finding, unless it was the last one that was reported. Return it."""
        if finding.text != self.reason:
            self.reason = finding.text
            self._report(self.reason)
        return finding
