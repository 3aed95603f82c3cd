"""Reads from CloudFormation's events which resource failed, and why."""

from collections.abc import Mapping
from typing import Any


def failure(event: Mapping[str, Any]) -> str:
    """Name the resource and the reason, if the event is a failure that no other failure caused; else empty."""
    reason = event.get("ResourceStatusReason", "")
    if not event["ResourceStatus"].endswith("_FAILED") or "cancelled" in reason:
        return ""
    return f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}"


def failed_validation(event: Mapping[str, Any]) -> str:
    """Name the resource and the reason, if the event is a validation that refuses the change set; else empty.

    A hook's event has the same fields under other names. One in mode WARN refuses nothing.
    """
    kind = {"VALIDATION_ERROR": "Validation", "HOOK_INVOCATION_ERROR": "Hook"}.get(event.get("EventType", ""))
    if kind is None or event.get(f"{kind}FailureMode") == "WARN":
        return ""
    what = event.get("LogicalResourceId", "") or event.get("ValidationName", "") or event.get("HookType", "")
    where = f" at {event['ValidationPath']}" if event.get("ValidationPath") else ""
    reason = event.get(f"{kind}StatusReason", "no reason given")
    return f"{what} ({event.get('ResourceType', 'the stack')}){where}: {reason}"
