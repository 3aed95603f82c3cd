"""Records a stack's status and events. For a moment, readers still see the previous status."""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

LAG_SECONDS: Final = 1.5
"""How long readers see a stack's previous status. CloudFormation itself uses the present one."""
STACK: Final = "AWS::CloudFormation::Stack"


class StackRecord:
    """``status`` is the present status, ``seen_status`` what a reader sees; ``events`` are newest first."""

    def __init__(self, account: "Account", name: str, number: int) -> None:
        self.account = account
        self.name = name
        self.arn = account.arn("cloudformation", f"stack/{name}/{number:08d}")
        self.made = account.timeline.moment
        self.tags: dict[str, str] = {}
        self.protected = False
        """Whether the stack can't be deleted."""
        self.status = "REVIEW_IN_PROGRESS"
        self.reason = ""
        self.events: list[dict[str, Any]] = []
        self._past: list[tuple[float, str]] = []
        """Past statuses, each with the time until which it applied."""
        self.add_event(name, self.arn, STACK, self.status)

    def set_status(self, status: str, reason: str = "") -> None:
        """Change the status."""
        self._past.append((self.account.timeline.now, self.status))
        self.status, self.reason = status, reason
        if status == "DELETE_COMPLETE":
            self.account.tags.remove(self.arn)
        else:
            self.account.tags.put(self.arn, self.tags)
        self.add_event(self.name, self.arn, STACK, status, reason)

    def add_event(self, logical: str, physical: str, kind: str, status: str, reason: str = "") -> None:
        """Add an event."""
        event = {
            "StackId": self.arn,
            "StackName": self.name,
            "EventId": f"{logical}-{len(self.events)}",
            "LogicalResourceId": logical,
            "PhysicalResourceId": physical,
            "ResourceType": kind,
            "ResourceStatus": status,
            "Timestamp": self.account.timeline.moment,
        }
        self.events.insert(0, event | ({"ResourceStatusReason": reason} if reason else {}))

    def seen_status(self) -> str:
        """Return the status that a reader sees."""
        before = self.account.timeline.now - LAG_SECONDS
        return next((status for until, status in self._past if until > before), self.status)

    def seen_events(self) -> list[dict[str, Any]]:
        """Return the events that a reader sees."""
        before = self.account.timeline.moment_at(self.account.timeline.now - LAG_SECONDS)
        return [event for event in self.events if event["Timestamp"] <= before]
