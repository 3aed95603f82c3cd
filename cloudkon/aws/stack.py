"""Stack: one CloudFormation stack, changed by change sets only, so that what will happen is known before it does."""

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import trio

from cloudkon.aws.connection import Connection
from cloudkon.aws.stack_facts import NEVER_MADE, Change, StackFacts, StackPlan
from cloudkon.backoff import PATIENT, persist
from cloudkon.errors import ServiceError

COMPLETE: Final = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
)
"""States from which a stack can be updated."""
UNCHANGED: Final = ("didn't contain changes", "No updates are to be performed")
"""How CloudFormation says that a change set would change nothing: it has no other way to say so."""
NO_STACK: Final = "does not exist"
"""A ValidationError like any other; only its text tells a missing stack from a wrong question."""
LONGEST_WAIT: Final = 3.0
"""Seconds between two looks at a stack; the first look comes at once, for emulators that take milliseconds."""
STALE_LOOKS: Final = 10
"""Looks (some 20 s) during which CloudFormation may go on answering with what was before a change."""


class Stack:
    """One stack by its name. Every call raises ``ServiceError`` (or a kind of it) in CloudFormation's own words."""

    def __init__(self, connection: Connection, name: str) -> None:
        """Nothing is asked of CloudFormation yet."""
        self.name = name
        self._connection = connection
        # As Any: botocore makes a client's methods at run time.
        self._client: Any = connection.client("cloudformation")

    async def state(self) -> str:
        """The state in CloudFormation's words, such as ``CREATE_COMPLETE``; empty where there is no such stack."""
        return (await self.facts()).state

    async def facts(self) -> StackFacts:
        """What there is to know of it in one call."""
        try:
            answer: Any = await self._call(self._client.describe_stacks, StackName=self.name)
        except ServiceError as error:
            if NO_STACK in str(error):
                return StackFacts()
            raise
        return StackFacts.described(answer["Stacks"][0])

    async def plan(
        self,
        template: str,
        parameters: Mapping[str, str],
        *,
        keep: Collection[str] = (),
        tags: Mapping[str, str] | None = None,
    ) -> StackPlan:
        """Make a change set towards this template, waiting first for a change that somebody else has begun.

        Parameters named in ``keep`` stay as they are where the stack has a value for them; where it has none, they
        are as in ``parameters``, or else the template's default.
        CloudFormation puts ``tags`` on the stack and on all in it that can carry any.
        """
        found = await self.wait_until_stable()
        if found.state == "ROLLBACK_COMPLETE":
            # Its creation failed and was undone: nothing is in it, and CloudFormation only lets it be deleted.
            await self.delete()
            found = StackFacts()
        if found.state not in COMPLETE | NEVER_MADE:
            remedy = "Take it down first"
            if found.state == "UPDATE_ROLLBACK_FAILED":
                # Nothing of it is lost, and what is in it may be dear.
                remedy = f"First: aws cloudformation continue-update-rollback --stack-name {self.name}"
            raise ServiceError(f"stack {self.name!r} is {found.state} and can't be changed: nothing was done. {remedy}")
        name = f"cloudkon-{secrets.token_hex(6)}"
        tagged = {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]} if tags else {}
        try:
            await self._call(
                self._client.create_change_set,
                StackName=self.name,
                ChangeSetName=name,
                ChangeSetType="UPDATE" if found.exists else "CREATE",
                TemplateBody=template,
                Parameters=_given(parameters, {key for key in keep if found.exists and key in found.parameters}),
                Capabilities=["CAPABILITY_NAMED_IAM"],
                **tagged,
            )
        except ServiceError as error:
            # Of that name there can be only our own: its first answer was lost.
            if error.code != "AlreadyExistsException":
                raise
        return await self._described(name, creates=not found.exists)

    async def execute(self, plan: StackPlan, report: Callable[[str], None]) -> None:
        """Carry a plan out and wait for its end, reporting each resource's steps as they happen.

        Raises ``ServiceError`` that names the first resource that failed, and why.
        """
        if plan.empty:
            return
        seen = {event["EventId"] for event in await self._events()}
        await self._call(
            self._client.execute_change_set,
            ChangeSetName=plan.change_set,
            StackName=self.name,
            ClientRequestToken=plan.change_set,
        )
        failed, state, pause, stale = "", "REVIEW_IN_PROGRESS", _pauses(), STALE_LOOKS
        # Between the call and the first event, a new stack still is REVIEW_IN_PROGRESS, and an old one complete.
        while state.endswith("_IN_PROGRESS") or (stale and state):
            await trio.sleep(next(pause))
            stale = max(0, stale - 1)
            state = await self.state()
            for event in reversed(await self._events()):
                if event["EventId"] not in seen:
                    seen.add(event["EventId"])
                    stale = 0
                    report(f"{event['LogicalResourceId']}: {event['ResourceStatus'].lower().replace('_', ' ')}")
                    failed = failed or _failure(event)
        if state not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise ServiceError(
                f"stack {self.name!r} is {state or 'gone'}: {failed or 'CloudFormation gives no reason'}"
            )

    async def discard(self, plan: StackPlan) -> None:
        """Delete a plan that is not to be executed, and the shell of a stack that was made for it."""
        if plan.creates:
            await self.delete()
        elif not plan.empty:
            await self._call(self._client.delete_change_set, ChangeSetName=plan.change_set, StackName=self.name)

    async def delete(self) -> None:
        """Delete the stack with what it owns and wait for its end; nothing where there is none.

        Raises ``ServiceError`` naming what is left.
        """
        if not (await self.wait_until_stable()).state:
            return
        seen = {event["EventId"] for event in await self._events()}
        await self._call(self._client.delete_stack, StackName=self.name)
        pause, begun, stale, events = _pauses(), False, STALE_LOOKS, list[Mapping[str, Any]]()
        while state := await self.state():
            events = [event for event in await self._events() if event["EventId"] not in seen]
            begun = begun or state == "DELETE_IN_PROGRESS" or bool(events)
            stale -= 1
            if (state == "DELETE_FAILED" and begun) or (stale < 0 and not begun):
                left = "; ".join(dict.fromkeys(filter(None, map(_failure, events))))
                raise ServiceError(
                    f"stack {self.name!r} is {state} and was not deleted: {left or 'no reason was given'}"
                )
            await trio.sleep(next(pause))

    async def _call(self, function: Callable[..., Any], **arguments: Any) -> Any:  # noqa: ANN401  (botocore's)
        """Call once or, throttled or with its answer lost, several times: each call here bears that."""
        return await persist(lambda: self._connection.call(function, **arguments), PATIENT)

    async def _described(self, change_set: str, *, creates: bool) -> StackPlan:
        """Wait until a change set is worked out."""
        pause, stale = _pauses(), STALE_LOOKS
        while True:
            try:
                answer = await self._call(
                    self._client.describe_change_set, ChangeSetName=change_set, StackName=self.name
                )
            except ServiceError as error:
                # What was made a moment ago may not be seen yet.
                stale -= 1
                if error.code not in ("ChangeSetNotFound", "ChangeSetNotFoundException") or stale < 0:
                    raise
                await trio.sleep(next(pause))
                continue
            if answer["Status"] == "CREATE_COMPLETE":
                return StackPlan(change_set, await self._changes(change_set, answer), creates)
            if answer["Status"] == "FAILED":
                reason = answer.get("StatusReason", "")
                await self.discard(StackPlan(change_set, creates=creates))
                if any(words in reason for words in UNCHANGED):
                    return StackPlan()
                raise ServiceError(f"stack {self.name!r} can't be changed as asked, and was not: {reason}")
            await trio.sleep(next(pause))

    async def _changes(self, change_set: str, page: Any) -> tuple[Change, ...]:  # noqa: ANN401  (botocore's answer)
        changes = [Change.described(entry["ResourceChange"]) for entry in page["Changes"]]
        while token := page.get("NextToken"):
            page = await self._call(
                self._client.describe_change_set, ChangeSetName=change_set, StackName=self.name, NextToken=token
            )
            changes += [Change.described(entry["ResourceChange"]) for entry in page["Changes"]]
        return tuple(changes)

    async def _events(self) -> Sequence[Mapping[str, Any]]:
        """The newest events first: one page (100) covers every look, since a stack here has few resources."""
        try:
            answer: Any = await self._call(self._client.describe_stack_events, StackName=self.name)
        except ServiceError as error:
            if NO_STACK in str(error):
                return ()
            raise
        events: Sequence[Mapping[str, Any]] = answer["StackEvents"]
        return events

    async def wait_until_stable(self) -> StackFacts:
        """Wait until nothing is in progress, and give what there is then."""
        pause = _pauses()
        while True:
            found = await self.facts()
            if not found.exists or not found.state.endswith("_IN_PROGRESS"):
                return found
            await trio.sleep(next(pause))


def _given(parameters: Mapping[str, str], kept: Collection[str]) -> list[dict[str, Any]]:
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items() if key not in kept]
    return [*given, *({"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept))]


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
