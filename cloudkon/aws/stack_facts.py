"""What CloudFormation says of a stack: how it is, and what a change set would do to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

NEVER_MADE: Final = frozenset({"", "REVIEW_IN_PROGRESS"})
"""No stack, or one that has only a change set that nobody executed: to be created."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a change set would do to one resource: ``Add``, ``Modify``, ``Remove``; ``replaces`` when data goes."""

    action: str
    resource: str
    kind: str
    replaces: bool = False

    @classmethod
    def described(cls, entry: Mapping[str, Any]) -> Self:
        """Read CloudFormation's answer: any replacement that can't be ruled out counts as one."""
        replaces = entry.get("Replacement", "False") != "False"
        return cls(entry["Action"], entry["LogicalResourceId"], entry["ResourceType"], replaces)

    def __str__(self) -> str:
        """As a person reads it."""
        return f"{self.action.lower()} {self.resource} ({self.kind})" + (", replacing it" if self.replaces else "")


@dataclass(frozen=True, slots=True)
class StackPlan:
    """A change set that waits to be executed; ``change_set`` is its name, empty where nothing would change.

    ``creates`` tells that there is no stack yet but the shell that CloudFormation makes to hang a change set on.
    """

    change_set: str = ""
    changes: tuple[Change, ...] = ()
    creates: bool = False

    @property
    def empty(self) -> bool:
        """Whether the stack already is as asked."""
        return not self.change_set


@dataclass(frozen=True, slots=True)
class StackFacts:
    """A stack as it is: its state in CloudFormation's words (empty where there is none), what it was given and gives.

    ``created`` is in epoch seconds, 0.0 where there is no stack.
    """

    state: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    created: float = 0.0

    @property
    def exists(self) -> bool:
        """Whether there is a stack with something in it, or one that is on its way."""
        return self.state not in NEVER_MADE

    @classmethod
    def described(cls, answer: Mapping[str, Any]) -> Self:
        """Read CloudFormation's answer."""
        state, created = str(answer["StackStatus"]), answer.get("CreationTime")
        if state == "DELETE_COMPLETE":
            return cls()
        return cls(
            state=state,
            # A parameter that names a secret or an SSM parameter comes with its name as the value.
            parameters={one["ParameterKey"]: one.get("ParameterValue", "") for one in answer.get("Parameters", ())},
            outputs={one["OutputKey"]: one["OutputValue"] for one in answer.get("Outputs", ())},
            created=created.timestamp() if isinstance(created, datetime) else 0.0,
        )
