"""The rules that keep every task's result single: claim, renew, complete, release.

Each is a small state machine without any input or output of its own (``Claiming``, ``Renewing``, ``Completing``,
``Releasing``): it says what to ask of the ledger and takes the answer, whatever became of the call. The
``LedgerDriver`` drives many of them in batches; the tests search all their interleavings.
"""

from cloudkon.protocol.claim import Claim, Instant, Terms
from cloudkon.protocol.claiming import Claimed, Claiming, Done, Held
from cloudkon.protocol.completing import Completing, Recorded
from cloudkon.protocol.driver import LedgerDriver
from cloudkon.protocol.releasing import Released, Releasing
from cloudkon.protocol.renewing import Renewed, Renewing
from cloudkon.protocol.state_machine import Lost, StateMachine

__all__ = [
    "Claim",
    "Claimed",
    "Claiming",
    "Completing",
    "Done",
    "Held",
    "Instant",
    "LedgerDriver",
    "Lost",
    "Recorded",
    "Released",
    "Releasing",
    "Renewed",
    "Renewing",
    "StateMachine",
    "Terms",
]
