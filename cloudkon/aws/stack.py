"""Stack: one CloudFormation stack, changed by change sets only, so that what will happen is known before it does."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import trio

from cloudkon.aws.connection import Connection
from cloudkon.errors import ServiceError

COMPLETE: Final = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
)
"""States from which a stack can be updated."""
NEVER_MADE: Final = frozenset({"", "REVIEW_IN_PROGRESS"})
"""No stack, or one that has only a change set that nobody executed: to be created."""
UNCHANGED: Final = ("didn't contain changes", "No updates are to be performed")
"""How CloudFormation says that a change set would change nothing: it has no other way to say so."""
LONGEST_WAIT: Final = 3.0
"""Seconds between two looks at a stack; the first look comes at once, for emulators that take milliseconds."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a change set would do to one resource: ``Add``, ``Modify``, ``Remove``; ``replaces`` when data goes."""

    action: str
    resource: str
    kind: str
    replaces: bool = False

    def __str__(self) -> str:
        """As a person reads it."""
        return f"{self.action.lower()} {self.resource} ({self.kind})" + (", replacing it" if self.replaces else "")


@dataclass(frozen=True, slots=True)
class StackPlan:
    """A change set that waits to be executed; ``change_set`` is its ARN, empty where nothing would change."""

    change_set: str = ""
    changes: tuple[Change, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the stack already is as asked."""
        return not self.change_set


class Stack:
    """One stack by its name. Every call raises ``ServiceError`` (or a kind of it) in CloudFormation's own words."""

    def __init__(self, connection: Connection, name: str) -> None:
        """Nothing is asked of CloudFormation yet."""
        self.name = name
        self._call = connection.call
        # As Any: botocore makes a client's methods at run time.
        self._client: Any = connection.client("cloudformation")

    async def state(self) -> str:
        """The state in CloudFormation's words, such as ``CREATE_COMPLETE``; empty where there is no such stack."""
        try:
            answer: Any = await self._call(self._client.describe_stacks, StackName=self.name)
        except ServiceError as error:
            # A ValidationError like any other; only its text tells a missing stack from a wrong question.
            if "does not exist" in str(error):
                return ""
            raise
        state = str(answer["Stacks"][0]["StackStatus"])
        return "" if state == "DELETE_COMPLETE" else state

    async def plan(self, template: str, parameters: Mapping[str, str]) -> StackPlan:
        """Make a change set towards this template, waiting first for a change that somebody else has begun."""
        state = await self._settled()
        if state == "ROLLBACK_COMPLETE":
            # Its creation failed and was undone: nothing is in it, and CloudFormation only lets it be deleted.
            await self.delete()
            state = ""
        if state not in COMPLETE | NEVER_MADE:
            raise ServiceError(
                f"stack {self.name!r} is {state} and can't be changed: nothing was done. Delete it first"
            )
        answer: Any = await self._call(
            self._client.create_change_set,
            StackName=self.name,
            ChangeSetName=f"cloudkon-{secrets.token_hex(6)}",
            ChangeSetType="CREATE" if state in NEVER_MADE else "UPDATE",
            TemplateBody=template,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        return await self._described(str(answer["Id"]))

    async def execute(self, plan: StackPlan, report: Callable[[str], None]) -> None:
        """Carry a plan out and wait for its end, reporting each resource's steps as they happen.

        Raises ``ServiceError`` that names the first resource that failed, and why.
        """
        if plan.empty:
            return
        seen = {event["EventId"] for event in await self._events()}
        await self._call(self._client.execute_change_set, ChangeSetName=plan.change_set, StackName=self.name)
        failed, state, pause = "", "REVIEW_IN_PROGRESS", _pauses()
        # Between the call and the first event, a new stack still is REVIEW_IN_PROGRESS.
        while state.endswith("_IN_PROGRESS"):
            await trio.sleep(next(pause))
            state = await self.state()
            for event in reversed(await self._events()):
                if event["EventId"] not in seen:
                    seen.add(event["EventId"])
                    report(f"{event['LogicalResourceId']}: {event['ResourceStatus'].lower().replace('_', ' ')}")
                    failed = failed or _failure(event)
        if state not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise ServiceError(
                f"stack {self.name!r} is {state or 'gone'}: {failed or 'CloudFormation gives no reason'}"
            )

    async def discard(self, plan: StackPlan) -> None:
        """Delete a plan that is not to be executed."""
        if not plan.empty:
            await self._call(self._client.delete_change_set, ChangeSetName=plan.change_set, StackName=self.name)

    async def delete(self) -> None:
        """Delete the stack with what it owns and wait for its end. Raises ``ServiceError`` naming what is left."""
        await self._call(self._client.delete_stack, StackName=self.name)
        if state := await self._settled():
            left = "; ".join(filter(None, map(_failure, await self._events())))
            raise ServiceError(f"stack {self.name!r} is {state} and was not deleted: {left or 'no reason was given'}")

    async def _described(self, change_set: str) -> StackPlan:
        """Wait until a change set is worked out."""
        pause = _pauses()
        while True:
            answer: Any = await self._call(
                self._client.describe_change_set, ChangeSetName=change_set, StackName=self.name
            )
            if answer["Status"] == "CREATE_COMPLETE":
                return StackPlan(change_set, await self._changes(change_set, answer))
            if answer["Status"] == "FAILED":
                reason = answer.get("StatusReason", "")
                await self.discard(StackPlan(change_set))
                if any(words in reason for words in UNCHANGED):
                    return StackPlan()
                raise ServiceError(f"stack {self.name!r} can't be changed as asked, and was not: {reason}")
            await trio.sleep(next(pause))

    async def _changes(self, change_set: str, page: Any) -> tuple[Change, ...]:  # noqa: ANN401  (botocore's answer)
        changes = [_change(entry["ResourceChange"]) for entry in page["Changes"]]
        while token := page.get("NextToken"):
            page = await self._call(
                self._client.describe_change_set, ChangeSetName=change_set, StackName=self.name, NextToken=token
            )
            changes += [_change(entry["ResourceChange"]) for entry in page["Changes"]]
        return tuple(changes)

    async def _events(self) -> Sequence[Mapping[str, Any]]:
        """The newest events first: one page (100) covers every look, since a stack here has few resources."""
        answer: Any = await self._call(self._client.describe_stack_events, StackName=self.name)
        events: Sequence[Mapping[str, Any]] = answer["StackEvents"]
        return events

    async def _settled(self) -> str:
        """Wait until nothing is in progress; give the state."""
        pause = _pauses()
        while True:
            state = await self.state()
            if state in NEVER_MADE or not state.endswith("_IN_PROGRESS"):
                return state
            await trio.sleep(next(pause))


def _change(entry: Mapping[str, Any]) -> Change:
    """Any replacement that can't be ruled out counts as one: the reader decides about data."""
    replaces = entry.get("Replacement", "False") != "False"
    return Change(entry["Action"], entry["LogicalResourceId"], entry["ResourceType"], replaces)


def _failure(event: Mapping[str, Any]) -> str:
    """Name the resource and the reason if the event is a failure of its own, not one that another one caused."""
    reason = event.get("ResourceStatusReason", "")
    if not event["ResourceStatus"].endswith("_FAILED") or "cancelled" in reason:
        return ""
    return f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}"


def _pauses() -> Iterator[float]:
    """Seconds before each look: short ones first, since emulators are done at once, then up to ``LONGEST_WAIT``."""
    pause = 0.05
    while True:
        yield pause
        pause = min(pause * 1.6, LONGEST_WAIT)
