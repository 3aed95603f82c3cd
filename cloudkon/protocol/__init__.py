"""Implements the rules that give every task exactly one result: claim, renew, complete, release.

Each rule is a small state machine without I/O (``Claiming``, ``Renewing``, ``Completing``, ``Releasing``,
``Withdrawing``). It returns the next request to the ledger, and gets the response or the failure. ``LedgerDriver`` runs
many state machines at once, in batches. The tests search all interleavings of their steps.
"""

from cloudkon.protocol.claim import Claim, Instant, Terms
from cloudkon.protocol.claiming import (
    LONGEST_HOLD_MS,
    Claimed,
    Claiming,
    ClaimVerdict,
    Done,
    Held,
    Mismatched,
    Unreadable,
)
from cloudkon.protocol.completing import Completing, Recorded
from cloudkon.protocol.driver import LedgerDriver
from cloudkon.protocol.releasing import Released, Releasing
from cloudkon.protocol.renewing import Renewed, Renewing
from cloudkon.protocol.state_machine import Lost, StateMachine
from cloudkon.protocol.withdrawing import Withdrawing

__all__ = [
    "LONGEST_HOLD_MS",
    "Claim",
    "ClaimVerdict",
    "Claimed",
    "Claiming",
    "Completing",
    "Done",
    "Held",
    "Instant",
    "LedgerDriver",
    "Lost",
    "Mismatched",
    "Recorded",
    "Released",
    "Releasing",
    "Renewed",
    "Renewing",
    "StateMachine",
    "Terms",
    "Unreadable",
    "Withdrawing",
]
