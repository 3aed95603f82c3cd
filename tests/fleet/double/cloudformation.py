"""Implements CloudFormation: stacks that are changed by change sets."""

import itertools
import re
from typing import TYPE_CHECKING, Any, Final

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.change_set import SEEN_SECONDS, ChangeSet
from tests.fleet.double.stack import Stack
from tests.fleet.double.tags import as_dict, as_list
from tests.fleet.double.template import Template

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Document = dict[str, Any]
UPDATABLE: Final = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
TEMPLATE_BYTES: Final = 51_200
"""The longest template that a request may carry (CloudFormation User Guide, quotas)."""
EVENTS: Final = 60
"""Events on one page of DescribeStackEvents: fewer than AWS's, so that tests need several pages."""
PAGE: Final = 30
"""Changes in one answer: fewer than AWS's, so that readers must read several pages."""


class CloudFormation:
    """``failures``: reasons by action (CREATE, UPDATE, DELETE) and logical id, for steps that should fail."""

    def __init__(self, account: "Account") -> None:
        self._account = account
        self.stacks: dict[str, Stack] = {}
        """Stacks by name; a deleted stack stays until another has its name."""
        self.failures: dict[tuple[str, str], str] = {}
        self.tells_events = True
        """Whether DescribeEvents exists; some back ends lack it."""
        self._change_sets: dict[str, ChangeSet] = {}
        self._tokens = set[str]()
        self._numbers = itertools.count(1)

    def describe_stacks(self, request: Document) -> Document:
        named = request["StackName"]
        if named.startswith("arn:"):
            found = next((one for one in self.stacks.values() if one.arn == named), None)
        else:
            found = self._find_stack(named, seen=True)
        if found is None:
            raise _missing(named)
        return {"Stacks": [self._described(found)]}

    def describe_stack_events(self, request: Document) -> Document:
        found = self._find_stack(request["StackName"], seen=True)
        if found is None:
            raise _invalid(f"Stack [{request['StackName']}] does not exist")
        start = int(request.get("NextToken") or 0)
        events = found.seen_events()
        page = events[start : start + EVENTS]
        more = start + EVENTS < len(events)
        return {"StackEvents": page} | ({"NextToken": str(start + EVENTS)} if more else {})

    def describe_events(self, request: Document) -> Document:
        """Return the events of a change set's early validation; they go with the change set."""
        if not self.tells_events:
            raise ApiError("InvalidAction", "Could not find operation DescribeEvents for version 2010-05-15")
        return {"OperationEvents": self._change_set(request).errors}

    def create_change_set(self, request: Document) -> Document:
        body, name = request["TemplateBody"], request["StackName"]
        if len(body.encode()) > TEMPLATE_BYTES:
            raise _invalid(f"'templateBody' failed to satisfy constraint: Member must be at most {TEMPLATE_BYTES}")
        if not re.fullmatch(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", name):
            raise _invalid(f"Value '{name}' at 'stackName' failed to satisfy constraint")
        template = Template(body)
        self._check_capabilities(template, request)
        stack, creates = self._find_stack(name), request.get("ChangeSetType", "UPDATE") == "CREATE"
        if creates and stack is not None and stack.status != "REVIEW_IN_PROGRESS":
            raise ApiError("AlreadyExistsException", f"Stack [{name}] already exists")
        if not creates:
            if stack is None:
                raise _invalid(f"Stack [{name}] does not exist")
            if stack.status not in UPDATABLE:
                raise _invalid(f"Stack:{stack.arn} is in {stack.status} state and can not be updated.")
        parameters = template.parameters(_parameter_values(request, stack))
        if stack is None:
            stack = self.stacks[name] = Stack(self._account, name, next(self._numbers))
        arn = self._account.arn("cloudformation", f"changeSet/{request['ChangeSetName']}/{next(self._numbers)}")
        if any(one.name == request["ChangeSetName"] and one.stack is stack for one in self._change_sets.values()):
            raise ApiError("AlreadyExistsException", f"ChangeSet {request['ChangeSetName']} already exists", 409)
        tags = as_dict(request.get("Tags", [])) if "Tags" in request else stack.tags
        made = ChangeSet(
            request["ChangeSetName"], arn, stack, template, parameters, tags, self._account.timeline.now, creates
        )
        made.compute()
        self._change_sets[arn] = made
        return {"Id": arn, "StackId": stack.arn}

    def describe_change_set(self, request: Document) -> Document:
        found, now = self._change_set(request), self._account.timeline.now
        if now < found.made + SEEN_SECONDS:
            raise ApiError("ChangeSetNotFound", f"ChangeSet [{request['ChangeSetName']}] does not exist", 404)
        answer = found.to_answer(now)
        start = int(request.get("NextToken") or 0)
        if start + PAGE < len(answer["Changes"]):
            answer["NextToken"] = str(start + PAGE)
        answer["Changes"] = answer["Changes"][start : start + PAGE]
        return answer

    def execute_change_set(self, request: Document) -> Document:
        token = request.get("ClientRequestToken", "")
        if token in self._tokens:
            # The same request again: its first answer was lost (API reference, ExecuteChangeSet).
            return {}
        found = self._change_set(request)
        if found.to_answer(self._account.timeline.now)["ExecutionStatus"] != "AVAILABLE":
            raise ApiError(
                "InvalidChangeSetStatus", f"ChangeSet [{found.arn}] cannot be executed in its current status"
            )
        stack = found.stack
        for arn in [arn for arn, one in self._change_sets.items() if one.stack is stack]:
            # Executing a change set deletes the stack's others, and it can't be executed again.
            del self._change_sets[arn]
        self._tokens |= {token} - {""}
        begin = stack.create if found.creates else stack.update
        begin(found.template, found.parameters, found.tags)
        return {}

    def delete_change_set(self, request: Document) -> Document:
        try:
            del self._change_sets[self._change_set(request).arn]
        except ApiError:
            return {}
        return {}

    def cancel_update_stack(self, request: Document) -> Document:
        found = self._find_stack(request["StackName"])
        if found is None:
            raise _missing(request["StackName"])
        if found.status != "UPDATE_IN_PROGRESS":
            raise _invalid(f"CancelUpdateStack cannot be called from current stack status {found.status}")
        found.cancel_update()
        return {}

    def update_termination_protection(self, request: Document) -> Document:
        found = self._find_stack(request["StackName"])
        if found is None:
            raise _missing(request["StackName"])
        found.protected = request["EnableTerminationProtection"]
        return {"StackId": found.arn}

    def delete_stack(self, request: Document) -> Document:
        found = self._find_stack(request["StackName"])
        if found is not None and found.protected:
            raise _invalid(f"Stack [{found.name}] cannot be deleted while TerminationProtection is enabled")
        if found is not None and found.status != "DELETE_IN_PROGRESS":
            if found.status == "REVIEW_IN_PROGRESS" and not found.template:
                found.set_status("DELETE_COMPLETE")
                return {}
            if found.status.endswith("_IN_PROGRESS"):
                raise _invalid(f"Stack [{found.name}] cannot be deleted while in status {found.status}")
            found.delete()
        return {}

    def _find_stack(self, name: str, *, seen: bool = False) -> Stack | None:
        """Return the stack with that name, as it is or (``seen``) as a reader sees it."""
        found = self.stacks.get(name)
        if found is None:
            return None
        return None if (found.seen_status() if seen else found.status) == "DELETE_COMPLETE" else found

    def _change_set(self, request: Document) -> ChangeSet:
        named, stack = request["ChangeSetName"], request.get("StackName", "")
        for one in self._change_sets.values():
            if named == one.arn or (named == one.name and stack in (one.stack.name, one.stack.arn)):
                return one
        raise ApiError("ChangeSetNotFound", f"ChangeSet [{named}] does not exist", 404)

    def _check_capabilities(self, template: Template, request: Document) -> None:
        roles = [one for one in template.resources.values() if one["Type"].startswith("AWS::IAM::")]
        named = any("RoleName" in one.get("Properties", {}) for one in roles)
        needed = "CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"
        given = request.get("Capabilities", [])
        if roles and needed not in given and "CAPABILITY_NAMED_IAM" not in given:
            raise ApiError("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")

    def _described(self, one: Stack) -> Document:
        found = {
            "StackName": one.name,
            "StackId": one.arn,
            "StackStatus": one.seen_status(),
            "CreationTime": one.made,
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in one.parameters.items()],
            "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in one.outputs.items()],
            "Tags": as_list(one.tags),
            "EnableTerminationProtection": one.protected,
        }
        return found | ({"StackStatusReason": one.reason} if one.reason else {})


def _parameter_values(request: Document, stack: Stack | None) -> dict[str, str]:
    """Return the request's parameter values; a parameter that keeps its value must have one."""
    found = {}
    for one in request.get("Parameters", []):
        key = one["ParameterKey"]
        if one.get("UsePreviousValue"):
            if stack is None or key not in stack.parameters:
                raise _invalid(f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true")
            found[key] = stack.parameters[key]
        else:
            found[key] = one["ParameterValue"]
    return found


def _missing(name: str) -> ApiError:
    return _invalid(f"Stack with id {name} does not exist")


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationError", message)
