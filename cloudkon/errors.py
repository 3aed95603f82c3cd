"""Defines every error that CloudKon raises on purpose, as one tree.

    CloudKonError                  1
    ├── InvalidInput               2   (subject, reason, remedy)
    │   ├── InvalidSetting         2
    │   ├── InvalidInstruction     2
    │   ├── InvalidWorkload        2
    │   ├── UnknownRun             2
    │   ├── RunConflict            2
    │   └── NoFleet                2
    ├── MalformedMessage           1
    │   └── NewerVersion           1
    ├── ServiceError               1   (code)
    │   ├── AccessDenied           1
    │   ├── Unavailable            1   (may pass: try again)
    │   │   └── Throttled          1
    │   ├── ObjectMissing          1
    │   └── ObjectTooLarge         1
    └── PermanentFailure           1   (raised by handlers)

The number is the exit code of a program that ends with the error. Each program catches ``CloudKonError`` at its top,
prints the error's text as one line and exits with its ``exit_code``.
"""

from typing import ClassVar, Self

from cloudkon.printable import printable

EXIT_OK = 0
"""Everything was done, and every task in question succeeded."""
EXIT_FAILED = 1
"""A service failed, or tasks failed. The text says what was done and what was not."""
EXIT_BAD_INPUT = 2
"""The user can fix it. The text names the input, the reason and the remedy."""
EXIT_INTERRUPTED = 130
"""Ctrl-C or SIGTERM ended the program. The text says how to continue."""


class CloudKonError(Exception):
    """The base of all errors that CloudKon raises on purpose."""

    exit_code: ClassVar[int] = EXIT_FAILED

    def __str__(self) -> str:
        """Return the text, made printable: it names foreign files, messages and errors, and tracebacks print it."""
        return printable(super().__str__(), lines=True)


class InvalidInput(CloudKonError):
    """The user's input is invalid.

    The text is ``subject: reason. remedy``: ``pool 'gpu': there is no such pool. Pools: worker, animoto``.
    """

    exit_code = EXIT_BAD_INPUT

    def __init__(self, subject: str, reason: str, remedy: str = "") -> None:
        """Name the input (``subject``), say why it is invalid, and what to type instead."""
        super().__init__(f"{subject}: {reason}" + (f". {remedy}" if remedy else ""))
        self.subject = subject
        self.reason = reason
        self.remedy = remedy

    def __reduce__(self) -> tuple[type["InvalidInput"], tuple[str, str, str]]:
        """Pickle all three parts, for the way out of a slot process: ``Exception`` would keep the joined text only."""
        return type(self), (self.subject, self.reason, self.remedy)


class InvalidSetting(InvalidInput):
    """A setting has an invalid value."""


class InvalidInstruction(InvalidInput):
    """No handler can run the instruction."""


class InvalidWorkload(InvalidInput):
    """The workload file can't be pushed."""


class UnknownRun(InvalidInput):
    """The ledger has no run with that id."""


class RunConflict(InvalidInput):
    """A run with that id exists already, and differs in something that must not change."""


class NoFleet(InvalidInput):
    """The fleet's queues, table or bucket don't exist."""


class MalformedMessage(CloudKonError):
    """The message can't be read by this version and belongs in the dead-letter queue."""


class NewerVersion(MalformedMessage):
    """The message has a later version than this program reads, so a newer worker can read it."""


class ServiceError(CloudKonError):
    """An AWS service, or its emulator, refused or failed a call."""

    code: str = ""
    """The service's error code; empty if it gave none."""

    def extended(self, more: str) -> Self:
        """Return the same error with another sentence after its text."""
        found = type(self)(f"{str(self).rstrip('.')}. {more}")
        found.code = self.code
        return found


class AccessDenied(ServiceError):
    """The credentials are missing, expired or not allowed to make the call."""


class Unavailable(ServiceError):
    """A call failed for a reason that may pass; it may have taken effect all the same."""


class Throttled(Unavailable):
    """The service asked to be called less often."""


class ObjectMissing(ServiceError):
    """The store has no object at that address."""


class ObjectTooLarge(ServiceError):
    """The object at that address has more bytes than its reader allows."""


class PermanentFailure(CloudKonError):
    """The task failed and would fail again, so it is not retried."""

    def __str__(self) -> str:
        """Return the handler's own text: it is recorded as it is, like that of any other exception of a handler."""
        return Exception.__str__(self)
