"""The session ends at any call of ``up``: one line says what to do, and another ``up`` completes the fleet."""

from collections import Counter
from pathlib import Path

import pytest
import trio
import trio.testing
from botocore.exceptions import UnauthorizedSSOTokenError

from cloudkon.errors import AccessDenied, CloudKonError
from cloudkon.settings import Settings
from fleet.aws.target import AwsTarget
from tests.fleet.double.account import Account, Call
from tests.fleet.double.api_error import ApiError
from tests.fleet.double.clients import ActiveBackend
from tests.fleet.double.connection import DoubleClock, DoubleConnection
from tests.fleet.double.real_templates import NAME
from tests.fleet.double.stack_record import LAG_SECONDS
from tests.fleet.fleet_steps import IGNORE_REPORT, the_group, worker_service

pytestmark = pytest.mark.long

SHARES = 8
"""The number of tests that share the calls, to limit the time of each."""
POLLS = 12
"""Of the reads of a stack at work, one in so many is a point where the session ends: they are alike."""
EXPIRED = {"ec2": "RequestExpired"} | dict.fromkeys(
    ("sts", "iam", "cloudformation", "autoscaling", "s3", "sqs", "cloudwatch"), "ExpiredToken"
)
"""Each service's code (EC2 API reference, Error codes; IAM API reference and S3 API reference, Common errors)."""
EXPIRED_OF_JSON = "ExpiredTokenException"
"""The code of all other services (DynamoDB API reference, Common errors)."""


@pytest.fixture(autouse=True)
def skip_response_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """All other tests check these answers against AWS's model; here it would take half the time."""
    monkeypatch.setattr(ActiveBackend, "skips_response_checks", True)
    monkeypatch.setattr(ActiveBackend, "backend", None)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, Call]]:
    """The calls of an ``up`` at which the session ends, with their numbers from 1."""
    ActiveBackend.backend = account = Account()
    target = target_in(tmp_path_factory.mktemp("without-an-end"))
    trio.run(lambda: target.up(IGNORE_REPORT), clock=trio.testing.MockClock(autojump_threshold=0))
    polls: Counter[str] = Counter()
    found: list[tuple[int, Call]] = []
    for number, call in enumerate(account.calls, 1):
        if call.operation in ("DescribeStacks", "DescribeStackEvents"):
            polls[call.operation] += 1
            if polls[call.operation] % POLLS > 1:
                continue
        found.append((number, call))
    ActiveBackend.backend = None
    return found


def told(calls: list[Call]) -> str:
    """Return what the error must say about the changes up to a refused call, the last one of ``calls``."""
    *done, refused = calls
    again = "to finish it, run python -m fleet up again"
    # After the data stack the store is looked at.
    if any(call.service == "s3" for call in done):
        return f"Stack {NAME}-data is complete, {NAME}-compute may be unfinished: {again}"
    if any(call.operation == "CreateServiceLinkedRole" for call in done) and refused.service != "iam":
        return f"Stack {NAME}-data may be unfinished, and {NAME}-compute was not changed: {again}"
    if refused.service == "iam":
        # Whose failure is tolerated, as of somebody who may not make such roles.
        return again
    return "" if refused.service == "sts" else "Nothing was changed"


def target_in(path: Path) -> AwsTarget:
    settings = Settings(target="aws", fleet=NAME, region="us-east-1", state_dir=path)
    return AwsTarget(settings, DoubleConnection(settings), DoubleClock())


@pytest.mark.parametrize("share", range(SHARES))
def test_up_whose_session_ends_is_completed_by_another_up(
    tmp_path: Path, calls: list[tuple[int, Call]], share: int
) -> None:
    for number, last in calls[share::SHARES]:
        ActiveBackend.backend = account = Account()
        path = tmp_path / str(number)

        def end(at: int, call: Call, *, since: int = number) -> None:
            if at < since:
                return
            # Either the service refuses the call, or it can't even be signed.
            if since % 2:
                raise ApiError(EXPIRED.get(call.service, EXPIRED_OF_JSON), "The security token is expired", 403)
            raise UnauthorizedSSOTokenError

        async def scenario(account: Account = account, path: Path = path) -> CloudKonError:
            account.before = end
            with pytest.raises(AccessDenied) as ended:
                await target_in(path).up(IGNORE_REPORT)
            account.before = lambda _number, _call: None
            # Until the person has logged in again; until then CloudFormation may show an old status.
            await trio.sleep(2 * LAG_SECONDS)
            await target_in(path).up(IGNORE_REPORT)
            account.settle()
            return ended.value

        error = trio.run(scenario, clock=trio.testing.MockClock(autojump_threshold=0))
        text = str(error)
        assert error.exit_code == 1, last
        assert "Log in again" in text, last
        assert text.endswith(told(account.calls[:number])), last
        assert "\n" not in text, last
        states = {name: stack.status for name, stack in account.cloudformation.stacks.items()}
        assert states == {f"{NAME}-data": "CREATE_COMPLETE", f"{NAME}-compute": "UPDATE_COMPLETE"}, last
        assert worker_service(account).desired == 0, last
        assert the_group(account).protects_new, last
        assert the_group(account).suspended == {"AZRebalance"}, last
