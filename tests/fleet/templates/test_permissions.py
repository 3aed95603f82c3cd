"""The calls that the verbs make against the double, compared with what their policies allow."""

from collections.abc import Awaitable

import trio
import trio.testing

from cloudkon.model import WORKER
from fleet.aws.target import AwsTarget
from fleet.target_options import AutoscaleRange, Sizing
from tests.fleet.double.account import Account
from tests.fleet.double.real_templates import publish
from tests.fleet.templates.permissions import Call, missing


async def test_each_verb_makes_only_calls_that_its_policy_allows(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    seen: dict[str, set[Call]] = {}

    async def watched(verb: str, running: Awaitable[object]) -> None:
        account.calls.clear()
        await running
        seen.setdefault(verb, set()).update((call.service, call.operation) for call in account.calls)

    await watched("up", target.preview(reports.append, Sizing(spot=50)))
    await watched("up", target.up(reports.append))
    publish(account, tag="one")
    await watched("deploy", target.deploy((WORKER,), "one", reports.append))
    await watched("scale", target.scale(WORKER, 3, reports.append))
    await watched("status", target.status())
    await watched("logs", target.logs(None, 10, follow=False, write=lambda _worker, _line: None))
    await watched("autoscale", target.autoscale(WORKER, AutoscaleRange(0, 4, 10), reports.append))
    await watched("scale", target.scale(WORKER, 1, reports.append))
    await watched("down", target.down(reports.append, delete_data=False))
    await watched("up", target.up(reports.append))
    await watched("down --delete-data", target.down(reports.append, delete_data=True))

    left_out = {verb: missing(verb, calls) for verb, calls in seen.items()}
    assert {verb: actions for verb, actions in left_out.items() if actions} == {}
    assert ("ecs", "UpdateService") in seen["scale"]
    assert ("cloudformation", "ExecuteChangeSet") in seen["up"]
