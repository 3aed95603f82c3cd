"""Changes one CloudFormation stack, by change sets only, so that every change is known before it is made."""

import secrets
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import trio

from cloudkon.aws.connection import Connection
from cloudkon.aws.stack_events import failed_validation, failure
from cloudkon.aws.stack_facts import NEVER_MADE, Change, StackFacts, StackPlan
from cloudkon.aws.stack_template import prepared
from cloudkon.backoff import BRIEF, PATIENT, persist
from cloudkon.errors import ServiceError

COMPLETE: Final = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
)
"""States from which a stack can be updated."""
UNCHANGED: Final = ("didn't contain changes", "No updates are to be performed")
"""Texts by which CloudFormation reports that a change set would change nothing. It has no error code for it."""
NO_STACK: Final = "does not exist"
"""Part of the text of the ValidationError for a missing stack. Only the text differs from other ValidationErrors."""
LONGEST_WAIT: Final = 3.0
"""Seconds between two looks at a stack at most. The first looks come sooner, for emulators that take milliseconds."""
STALE_LOOKS: Final = 10
"""Looks (about 20 s in all) during which CloudFormation may still return the state from before a change."""

AtPoll = Callable[[], Awaitable[None]]
"""What else to do at each poll of a wait."""


class Stack:
    """One stack, by its name. Every call can raise ``ServiceError`` or a kind of it, with CloudFormation's own text."""

    def __init__(self, connection: Connection, name: str) -> None:
        """Name the stack. No call is made yet."""
        self.name = name
        self._connection = connection
        # It is Any because botocore makes a client's methods at run time.
        self._client: Any = connection.client("cloudformation")

    async def state(self) -> str:
        """Return CloudFormation's status, such as ``CREATE_COMPLETE``; empty if there is no such stack."""
        return (await self.facts()).state

    async def facts(self) -> StackFacts:
        """Describe the stack by one call."""
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
        """Make a change set from the stack as it is to ``template``. Waits for a change in progress first.

        Parameters named in ``keep`` keep the stack's values. If the stack has no value for one, it is taken from
        ``parameters``, or else from the template's default. CloudFormation puts ``tags`` on the stack and on all of its
        resources that can have tags. Other tags of the stack stay; a tag without a value is removed.

        Raises ``ServiceError`` if the stack is in a state that can't be changed; nothing was changed then.
        """
        found = await self._wait_until_changeable()
        name = f"cloudkon-{secrets.token_hex(6)}"
        wanted = {key: value for key, value in {**found.tags, **(tags or {})}.items() if value}
        tagged = {"Tags": [{"Key": key, "Value": value} for key, value in wanted.items()]} if wanted else {}
        try:
            await self._call(
                self._client.create_change_set,
                StackName=self.name,
                ChangeSetName=name,
                ChangeSetType="UPDATE" if found.exists else "CREATE",
                TemplateBody=prepared(template, wanted),
                Parameters=_as_parameters(
                    parameters, {key for key in keep if found.exists and key in found.parameters}
                ),
                Capabilities=["CAPABILITY_NAMED_IAM"],
                **tagged,
            )
        except ServiceError as error:
            # Only our own change set can have that name: the response to an earlier call was lost.
            if error.code != "AlreadyExistsException":
                raise
        return await self._wait_for_change_set(name, creates=not found.exists)

    async def execute(self, plan: StackPlan, report: Callable[[str], None], at_poll: AtPoll | None = None) -> None:
        """Execute a plan and wait for its end. Calls ``report`` with each step of each resource.

        ``at_poll`` is awaited at each poll. An error of it ends the wait; CloudFormation continues then.

        Raises ``ServiceError``, which names the first resource that failed, and why.
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
        failed, state, waits, stale = "", "REVIEW_IN_PROGRESS", _waits(), STALE_LOOKS
        # Between the call and the first event, a new stack is still REVIEW_IN_PROGRESS, and an old one complete.
        while state.endswith("_IN_PROGRESS") or (stale and state):
            await trio.sleep(next(waits))
            if at_poll:
                await at_poll()
            stale = max(0, stale - 1)
            state = await self.state()
            for event in reversed(await self._events()):
                if event["EventId"] not in seen:
                    seen.add(event["EventId"])
                    stale = 0
                    report(f"{event['LogicalResourceId']}: {event['ResourceStatus'].lower().replace('_', ' ')}")
                    failed = failed or failure(event)
        if state not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise ServiceError(
                f"stack {self.name!r} is {state or 'gone'}: {failed or 'CloudFormation gives no reason'}"
            )

    async def cancel_update(self) -> bool:
        """Cancel an update in progress, which is then rolled back. Return ``False`` if it is too late for that."""
        try:
            await self._call(self._client.cancel_update_stack, StackName=self.name)
        except ServiceError as error:
            if error.code != "ValidationError":
                raise
            # It may be cancelled already: the response to an earlier call was lost.
            return (await self.state()) == "UPDATE_ROLLBACK_IN_PROGRESS"
        return True

    async def protect(self, *, enabled: bool) -> None:
        """Switch termination protection: CloudFormation refuses to delete a protected stack."""
        await self._call(
            self._client.update_termination_protection, StackName=self.name, EnableTerminationProtection=enabled
        )

    async def discard(self, plan: StackPlan) -> None:
        """Delete a plan without executing it, and the empty stack that was made for it, if any."""
        if plan.creates:
            await self.delete()
        elif not plan.empty:
            await self._call(self._client.delete_change_set, ChangeSetName=plan.change_set, StackName=self.name)

    async def delete(self) -> None:
        """Delete the stack with its resources, and wait for the end. Does nothing if there is no such stack.

        Raises ``ServiceError``, which names the resources that are left.
        """
        if not (await self.wait_until_stable()).state:
            return
        seen = {event["EventId"] for event in await self._events()}
        await self._call(self._client.delete_stack, StackName=self.name)
        waits, begun, stale, events = _waits(), False, STALE_LOOKS, list[Mapping[str, Any]]()
        while state := await self.state():
            events = [event for event in await self._events() if event["EventId"] not in seen]
            begun = begun or state == "DELETE_IN_PROGRESS" or bool(events)
            stale -= 1
            if (state == "DELETE_FAILED" and begun) or (stale < 0 and not begun):
                left = "; ".join(dict.fromkeys(filter(None, map(failure, events))))
                raise ServiceError(
                    f"stack {self.name!r} is {state} and was not deleted: {left or 'no reason was given'}"
                )
            await trio.sleep(next(waits))

    async def _call(self, function: Callable[..., Any], **arguments: Any) -> Any:  # noqa: ANN401  (botocore's)
        """Make a call. Repeat it if it was throttled or its response was lost: all calls here are idempotent."""
        return await persist(lambda: self._connection.call(function, **arguments), PATIENT)

    async def _wait_until_changeable(self) -> StackFacts:
        """Wait for a change in progress, and describe the stack. Raises ``ServiceError`` if it can't be changed."""
        found = await self.wait_until_stable()
        if found.state == "ROLLBACK_COMPLETE":
            # Its creation failed and was rolled back: it is empty, and CloudFormation only allows to delete it.
            await self.delete()
            found = StackFacts()
        if found.state not in COMPLETE | NEVER_MADE:
            remedy = "Take it down first"
            if found.state == "UPDATE_ROLLBACK_FAILED":
                # The stack still has all its resources, and its data may be valuable: don't advise deleting it.
                remedy = f"First: aws cloudformation continue-update-rollback --stack-name {self.name}"
            raise ServiceError(f"stack {self.name!r} is {found.state} and can't be changed: nothing was done. {remedy}")
        return found

    async def _wait_for_change_set(self, change_set: str, *, creates: bool) -> StackPlan:
        """Wait until CloudFormation has computed a change set."""
        waits, stale = _waits(), STALE_LOOKS
        while True:
            try:
                answer = await self._call(
                    self._client.describe_change_set, ChangeSetName=change_set, StackName=self.name
                )
            except ServiceError as error:
                # A new change set may not be visible yet.
                stale -= 1
                if error.code not in ("ChangeSetNotFound", "ChangeSetNotFoundException") or stale < 0:
                    raise
                await trio.sleep(next(waits))
                continue
            if answer["Status"] == "CREATE_COMPLETE":
                return StackPlan(change_set, await self._changes(change_set, answer), creates)
            if answer["Status"] == "FAILED":
                reason = answer.get("StatusReason", "")
                if not any(words in reason for words in UNCHANGED):
                    # It must be asked first: the events go with the change set.
                    reason = await self._failed_validations(change_set) or reason
                await self.discard(StackPlan(change_set, creates=creates))
                if any(words in reason for words in UNCHANGED):
                    return StackPlan()
                raise ServiceError(f"stack {self.name!r} can't be changed as asked, and was not: {reason}")
            await trio.sleep(next(waits))

    async def _failed_validations(self, change_set: str) -> str:
        """Return which resources failed CloudFormation's early validation, and why.

        The status of the change set has only the validation's name. Empty if no validation failed, or if nobody can
        say: the role lacks ``cloudformation:DescribeEvents``, or the endpoint is an emulator without this call.
        """
        try:
            answer: Any = await persist(
                # Without a filter: no document says whether one for failed events lets events of validations through.
                lambda: self._connection.call(
                    self._client.describe_events, StackName=self.name, ChangeSetName=change_set
                ),
                BRIEF,
            )
        except ServiceError:
            return ""
        return "; ".join(dict.fromkeys(filter(None, map(failed_validation, answer.get("OperationEvents", ())))))

    async def _changes(self, change_set: str, page: Any) -> tuple[Change, ...]:  # noqa: ANN401  (botocore's answer)
        changes = [Change.described(entry["ResourceChange"]) for entry in page["Changes"]]
        while token := page.get("NextToken"):
            page = await self._call(
                self._client.describe_change_set, ChangeSetName=change_set, StackName=self.name, NextToken=token
            )
            changes += [Change.described(entry["ResourceChange"]) for entry in page["Changes"]]
        return tuple(changes)

    async def _events(self) -> Sequence[Mapping[str, Any]]:
        """Return the newest events, newest first. One page (100) is enough, because our stacks have few resources."""
        try:
            answer: Any = await self._call(self._client.describe_stack_events, StackName=self.name)
        except ServiceError as error:
            if NO_STACK in str(error):
                return ()
            raise
        events: Sequence[Mapping[str, Any]] = answer["StackEvents"]
        return events

    async def wait_until_stable(self, at_poll: AtPoll | None = None) -> StackFacts:
        """Wait until no change is in progress, and describe the stack then. ``at_poll`` is awaited at each poll."""
        waits = _waits()
        while True:
            found = await self.facts()
            if not found.exists or not found.state.endswith("_IN_PROGRESS"):
                return found
            if at_poll:
                await at_poll()
            await trio.sleep(next(waits))


def _as_parameters(parameters: Mapping[str, str], kept: Collection[str]) -> list[dict[str, Any]]:
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items() if key not in kept]
    return [*given, *({"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept))]


def _waits() -> Iterator[float]:
    """Yield the seconds before each look: short at first, for emulators, then up to ``LONGEST_WAIT``."""
    wait = 0.05
    while True:
        yield wait
        wait = min(wait * 1.6, LONGEST_WAIT)
