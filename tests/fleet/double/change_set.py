"""Computes what a template and its parameters would change in a stack, before the change is executed."""

from dataclasses import dataclass, field
from typing import Any, Final

from tests.fleet.double.early_validation import FAILED, validation_errors
from tests.fleet.double.resource_types import RESOURCE_TYPES
from tests.fleet.double.stack import Stack
from tests.fleet.double.template import Template

SEEN_SECONDS: Final = 0.4
"""Before that, DescribeChangeSet does not find it."""
WORK_SECONDS: Final = 3.0
UNCHANGED: Final = (
    "The submitted information didn't contain changes. Submit different information to create a change set."
)


@dataclass
class ChangeSet:
    """``made`` is a time on the account's timeline; ``changes`` are as DescribeChangeSet returns them."""

    name: str
    arn: str
    stack: Stack
    template: Template
    parameters: dict[str, str]
    tags: dict[str, str]
    made: float
    creates: bool
    changes: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    """Events of early validation."""

    def compute(self) -> None:
        """Compare the template with the stack's resources."""
        self.errors = list(validation_errors(self.stack, self.template, self.parameters))
        scope = self.stack.scope(self.template, self.parameters)
        wanted, there = self.template.wanted(scope), self.stack.resources
        replaced = {name for name in wanted if name not in there}
        self.changes = [_change("Add", name, str(wanted[name]["Type"])) for name in sorted(replaced)]

        def value(logical: str, attribute: str) -> str:
            # A replaced resource gets a new name, so every resource that refers to it changes too.
            return f"new {logical}.{attribute}" if logical in replaced else self.stack.value(logical, attribute)

        before = -1
        found = dict[str, bool]()
        while before != len(replaced):
            before = len(replaced)
            for name in set(wanted) & set(there):
                kind, old = RESOURCE_TYPES[wanted[name]["Type"]], there[name].properties
                new = scope.resolve(wanted[name].get("Properties", {}), value)
                if new != old or self.tags != self.stack.tags:
                    found[name] = kind.replaced(old, new)
                    replaced |= {name} if found[name] else set()
        self.changes += [
            _change("Modify", name, there[name].kind, "True" if anew else "False")
            for name, anew in sorted(found.items())
        ]
        self.changes += [_change("Remove", name, there[name].kind) for name in sorted(set(there) - set(wanted))]

    def to_answer(self, now: float) -> dict[str, Any]:
        """Return what DescribeChangeSet does."""
        done = now >= self.made + WORK_SECONDS
        good = self.changes and not self.errors
        status = "CREATE_IN_PROGRESS" if not done else "CREATE_COMPLETE" if good else "FAILED"
        found: dict[str, Any] = {
            "ChangeSetName": self.name,
            "ChangeSetId": self.arn,
            "StackName": self.stack.name,
            "StackId": self.stack.arn,
            "Status": status,
            "ExecutionStatus": "AVAILABLE" if status == "CREATE_COMPLETE" else "UNAVAILABLE",
            "Changes": [{"Type": "Resource", "ResourceChange": one} for one in self.changes] if done else [],
        }
        return found | ({"StatusReason": FAILED if self.errors else UNCHANGED} if status == "FAILED" else {})


def _change(action: str, name: str, kind: str, replacement: str = "") -> dict[str, Any]:
    found = {"Action": action, "LogicalResourceId": name, "ResourceType": kind}
    return found | ({"Replacement": replacement} if replacement else {})
