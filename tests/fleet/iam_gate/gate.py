"""Stands in front of the double: each call of a verb is judged by the policies that are printed for the verb.

``judge_verbs`` makes every verb of ``AwsTarget`` say what runs, in all tests of ``tests/fleet``; ``judge`` is the
account's hook. A refusal fails the test: AWS's error would be tolerated where the fleet can go on without an answer.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from functools import cache, wraps
from typing import Any, Final

import pytest

from cloudkon.settings import Settings
from fleet.aws.policies.catalogue import statements_of
from fleet.aws.policies.rendering import Scope, render
from fleet.aws.target import AwsTarget
from tests.fleet.double.account import Account, Call
from tests.fleet.iam_gate.call_requests import requests_of
from tests.fleet.iam_gate.judge import Statement, refusals
from tests.fleet.iam_gate.place import Place

VERBS: Final = {
    "up": "up",
    "preview": "up",
    "build": "publish",
    "publish": "publish",
    "deploy": "deploy",
    "scale": "scale",
    "autoscale": "autoscale",
    "status": "status",
    "logs": "logs",
    "down": "down",
    "describe": "down",
}
"""The verb whose policies its user has, by the target's method."""
_running: ContextVar[tuple[str, Settings, bool] | None] = ContextVar("running", default=None)
"""The verb that runs, its settings, and whether it deletes data."""


@cache
def policies_of(verb: str, place: Place, *, delete_data: bool = False, bucket: str = "") -> Sequence[Statement]:
    """Return the statements that ``python -m fleet policy VERB`` prints for a place."""
    settings = Settings(target="aws", fleet=place.fleet, bucket=bucket)
    return render(statements_of(verb, delete_data=delete_data), Scope(settings, place.account, place.region))


def judge_verbs(patch: pytest.MonkeyPatch) -> None:
    """From now on, each verb of a target runs with its policies only."""
    for method, verb in VERBS.items():
        patch.setattr(AwsTarget, method, _judged(getattr(AwsTarget, method), verb))


def judge(account: Account, call: Call) -> None:
    """Fail the test if the policies of the running verb don't allow a call."""
    running = _running.get()
    if running is None:
        return
    verb, settings, delete_data = running
    place = Place(settings.fleet, account.partition, account.region, account.number)
    # A bucket that was set later is not the one that the policies were printed for.
    bucket = (
        "" if any(name.startswith(f"{place.fleet}-store-") for name in account.s3.buckets.names()) else settings.bucket
    )
    statements = policies_of(verb, place, delete_data=delete_data, bucket=bucket)
    for request in requests_of(call.service, call.operation, call.request, place):
        refused = list(refusals(statements, request))
        assert not refused, f"the policies of {verb} don't allow {call}: {'; '.join(refused)}"


def _judged(method: Callable[..., Awaitable[Any]], verb: str) -> Callable[..., Awaitable[Any]]:
    @wraps(method)
    async def run(target: AwsTarget, *arguments: object, **named: object) -> Any:  # noqa: ANN401  (the verb's result)
        token = _running.set((verb, target._settings, bool(named.get("delete_data"))))
        try:
            return await method(target, *arguments, **named)
        finally:
            _running.reset(token)

    return run
