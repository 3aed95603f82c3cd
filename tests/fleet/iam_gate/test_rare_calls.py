"""What verbs call only when something has to be replaced, explained or given up is in their policies, in each place.

``fleet`` survives some of these calls being denied, so a missing permission would show in its words only.
"""

import pytest
import trio.testing

from cloudkon.errors import ServiceError
from cloudkon.model import WORKER
from fleet.aws import diagnosis
from fleet.aws.launch_failures import LaunchFailure
from fleet.aws.target import AwsTarget
from fleet.target_options import Sizing
from tests.fleet.double.account import AMI_PARAMETERS, Account
from tests.fleet.double.readings import EARLY_VALIDATION
from tests.fleet.fleet_steps import IGNORE_REPORT, lacking_capacity
from tests.fleet.iam_gate.conftest import PLACES, name_of
from tests.fleet.iam_gate.place import Place

THE_MOST_DIFFERENT = pytest.mark.parametrize("place", [PLACES[0], PLACES[-1]], indirect=True, ids=name_of)


@THE_MOST_DIFFERENT
async def test_old_instances_are_replaced(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await target.up(IGNORE_REPORT, Sizing(max_instances=1))
    await target.publish((WORKER,), IGNORE_REPORT)
    await target.deploy((WORKER,), "", IGNORE_REPORT)
    await target.scale(WORKER, 1, IGNORE_REPORT)
    account.ssm |= dict.fromkeys(AMI_PARAMETERS, "ami-0fedcba9876543210")
    before = set(account.ec2.instances)
    await target.up(IGNORE_REPORT, refresh=True)
    assert {"StopTask", "TerminateInstanceInAutoScalingGroup", "UpdateContainerInstancesState"} <= {
        call.operation for call in account.calls
    }
    assert before < set(account.ec2.instances)


@THE_MOST_DIFFERENT
async def test_failed_validation_is_explained(
    account: Account, target: AwsTarget, place: Place, autojump_clock: trio.testing.MockClock
) -> None:
    account.adopt(EARLY_VALIDATION)
    account.logs.create(f"/cloudkon/{place.fleet}/worker", {})
    with pytest.raises(ServiceError, match=r"WorkerLogs.*already exists"):
        await target.up(IGNORE_REPORT)


@THE_MOST_DIFFERENT
async def test_hopeless_rollout_is_cancelled(
    account: Account,
    target: AwsTarget,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
) -> None:
    await target.up(IGNORE_REPORT, Sizing(memory={"worker": 3000}))
    await target.publish((WORKER,), IGNORE_REPORT)
    await target.deploy((WORKER,), "", IGNORE_REPORT)
    await target.scale(WORKER, 1, IGNORE_REPORT)
    # The second instance of the first step from zero is idle, and goes.
    await trio.sleep(1800)
    monkeypatch.setattr(diagnosis, "explain_launch_failure", lambda *_, **__: LaunchFailure("no luck", permanent=True))
    report = lacking_capacity(account, [], until="cancelling the update")
    with pytest.raises(ServiceError, match=r"no luck.*update was cancelled, and the stack rolled back"):
        await target.up(report, Sizing(memory={"worker": 3100}))
