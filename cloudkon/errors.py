"""One rooted tree of errors.

A program's top catches ``CloudKonError``, prints its text as one line and exits with its ``exit_code``.
"""

from typing import ClassVar

EXIT_OK = 0
"""All was done, and every task that was asked about succeeded."""
EXIT_FAILED = 1
"""A service failed, or tasks failed: the text says what was and was not done."""
EXIT_BAD_INPUT = 2
"""The user can mend it: the text names the input, the reason and the remedy."""
EXIT_INTERRUPTED = 130
"""Ctrl-C or SIGTERM ended it: the text says how to go on."""


class CloudKonError(Exception):
    """Something that CloudKon can name went wrong."""

    exit_code: ClassVar[int] = EXIT_FAILED


class InvalidInput(CloudKonError):
    """The user gave something that can't be taken."""

    exit_code = EXIT_BAD_INPUT

    def __init__(self, subject: str, reason: str, remedy: str = "") -> None:
        """Name the input (``subject``), why it can't be taken, and what to do instead."""
        super().__init__(f"{subject}: {reason}" + (f". {remedy}" if remedy else ""))
        self.subject = subject
        self.reason = reason
        self.remedy = remedy

    def __reduce__(self) -> tuple[type["InvalidInput"], tuple[str, str, str]]:
        """Cross from a slot process whole: ``Exception``'s own way would pass the joined text alone."""
        return type(self), (self.subject, self.reason, self.remedy)


class InvalidSetting(InvalidInput):
    """A setting has a value that can't be used."""


class InvalidInstruction(InvalidInput):
    """An instruction can't be run by any handler."""


class InvalidWorkload(InvalidInput):
    """A workload file can't be pushed."""


class UnknownRun(InvalidInput):
    """No run of that id is in the ledger."""


class RunConflict(InvalidInput):
    """A run of that id exists, and differs in something that must not change."""


class NoFleet(InvalidInput):
    """The fleet's queues, table or bucket are not there."""


class MalformedMessage(CloudKonError):
    """A message is not one that this version can read; it belongs in the dead-letter queue."""


class NewerVersion(MalformedMessage):
    """A message of a later version than this program's: a worker of that version can read it."""


class ServiceError(CloudKonError):
    """A service of AWS (or its emulator) refused or failed a call."""

    code: str = ""
    """The service's own word for it, where it gave one."""


class AccessDenied(ServiceError):
    """The credentials are missing, expired or not allowed to make the call."""


class Unavailable(ServiceError):
    """A call failed in a way that may pass: it may or may not have taken effect."""


class Throttled(Unavailable):
    """The service asked to be called less often."""


class ObjectMissing(ServiceError):
    """No object is stored at that address."""


class PermanentFailure(CloudKonError):
    """The task failed, and would fail again: it is not retried."""
