"""Describes a CloudFormation stack: its present state, and what a change set would change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

NEVER_MADE: Final = frozenset({"", "REVIEW_IN_PROGRESS"})
"""States of a stack that is to be created: empty, or with nothing but a change set."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a change set would do to one resource.

    ``action`` is ``Add``, ``Modify`` or ``Remove``. ``replaces`` is whether the resource and its data may be replaced.
    """

    action: str
    resource: str
    kind: str
    replaces: bool = False

    @classmethod
    def described(cls, entry: Mapping[str, Any]) -> Self:
        """Read CloudFormation's response. A replacement that is only possible counts as one."""
        replaces = entry.get("Replacement", "False") != "False"
        return cls(entry["Action"], entry["LogicalResourceId"], entry["ResourceType"], replaces)

    def __str__(self) -> str:
        """Format it for people."""
        return f"{self.action.lower()} {self.resource} ({self.kind})" + (", replacing it" if self.replaces else "")


@dataclass(frozen=True, slots=True)
class StackPlan:
    """A change set that can be executed. ``change_set`` is its name, empty if nothing would change.

    ``creates`` is whether the stack is new, so that only the empty stack exists that CloudFormation makes for a change
    set.
    """

    change_set: str = ""
    changes: tuple[Change, ...] = ()
    creates: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing would change."""
        return not self.change_set


@dataclass(frozen=True, slots=True)
class StackFacts:
    """The present state of a stack: CloudFormation's status (empty if it does not exist), parameters and outputs.

    ``created`` is in epoch seconds, 0.0 if the stack does not exist. ``protected``: whether CloudFormation refuses to
    delete it.
    """

    state: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    created: float = 0.0
    protected: bool = False

    @property
    def exists(self) -> bool:
        """Whether the stack exists with resources, or is being created."""
        return self.state not in NEVER_MADE

    @classmethod
    def described(cls, answer: Mapping[str, Any]) -> Self:
        """Read CloudFormation's response."""
        state, created = str(answer["StackStatus"]), answer.get("CreationTime")
        if state == "DELETE_COMPLETE":
            return cls()
        return cls(
            state=state,
            # If a parameter refers to a secret or an SSM parameter, its value here is that name.
            parameters={one["ParameterKey"]: one.get("ParameterValue", "") for one in answer.get("Parameters", ())},
            outputs={one["OutputKey"]: one["OutputValue"] for one in answer.get("Outputs", ())},
            tags={one["Key"]: one["Value"] for one in answer.get("Tags", ())},
            protected=bool(answer.get("EnableTerminationProtection")),
            created=created.timestamp() if isinstance(created, datetime) else 0.0,
        )
