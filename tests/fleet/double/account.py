"""Holds one AWS account in one region in memory. Its services are attributes named as botocore names them."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import trio
from botocore import xform_name

from tests.fleet.double.application_auto_scaling import ApplicationAutoScaling
from tests.fleet.double.auto_scaling import AutoScaling
from tests.fleet.double.clients import REGION, client
from tests.fleet.double.cloudformation import CloudFormation
from tests.fleet.double.cloudwatch import CloudWatch
from tests.fleet.double.cloudwatch_logs import Logs
from tests.fleet.double.dynamodb import DynamoDb
from tests.fleet.double.ec2 import LATEST_IMAGE, Ec2
from tests.fleet.double.ecr import Ecr
from tests.fleet.double.ecs import Ecs
from tests.fleet.double.identity import FreeTier, Iam, Quotas, Sts
from tests.fleet.double.s3 import S3
from tests.fleet.double.sns import Sns
from tests.fleet.double.sqs import Sqs
from tests.fleet.double.tags import Tags
from tests.fleet.double.timeline import Timeline

NUMBER = "111122223333"
_RECOMMENDED = "/aws/service/ecs/optimized-ami/amazon-linux-2023/{}recommended/image_id"
AMI_PARAMETERS = (_RECOMMENDED.format(""), _RECOMMENDED.format("arm64/"))


@dataclass(frozen=True)
class Call:
    """One call that reached the account."""

    service: str
    operation: str
    request: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.service}.{self.operation}"


CallHook = Callable[[int, Call], None]
"""Is called with a call's number (from 1) and the call; raises the error that should happen to it."""


class Account:
    """Everything in one account. Time follows trio's clock if one runs, else ``timeline.advance``."""

    def __init__(self, number: str = NUMBER, region: str = REGION) -> None:
        self.number = number
        self.region = region
        self.partition, self.dns_suffix = _partition(region)
        self.timeline = Timeline()
        self.tags = Tags(self.timeline)
        self.calls: list[Call] = []
        self._numbers = itertools.count(1)
        self.judge: Callable[[Account, Call], None] = _allow
        """Called first; raises for a call that IAM would refuse."""
        self.before: CallHook = _do_nothing
        """Called before a call takes effect."""
        self.after: CallHook = _do_nothing
        """Called after a call took effect and before its answer arrives."""
        self.ssm = dict.fromkeys(AMI_PARAMETERS, LATEST_IMAGE)
        """Public parameters by name."""
        self.sts = Sts(self)
        self.iam = Iam(self)
        self.service_quotas = Quotas(self)
        self.freetier = FreeTier(self)
        self.sns = Sns(self)
        self.ec2 = Ec2(self)
        self.autoscaling = AutoScaling(self)
        self.ecr = Ecr(self)
        self.logs = Logs(self)
        self.ecs = Ecs(self)
        self.application_autoscaling = ApplicationAutoScaling(self)
        self.cloudwatch = CloudWatch(self)
        self.sqs = Sqs(self)
        self.dynamodb = DynamoDb(self)
        self.s3 = S3(self)
        self.resourcegroupstaggingapi = self.tags
        self.cloudformation = CloudFormation(self)

    def arn(self, service: str, rest: str) -> str:
        """Return an ARN of this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.number}:{rest}"

    def iam_arn(self, rest: str) -> str:
        """Return an ARN of IAM, which has no regions."""
        return f"arn:{self.partition}:iam::{self.number}:{rest}"

    def next_number(self) -> int:
        """Return a number for a name that AWS would generate."""
        return next(self._numbers)

    def answer(self, service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Process what is due, then execute the call; raises ``ApiError``."""
        self.settle()
        call = Call(service, operation, request)
        self.calls.append(call)
        self.judge(self, call)
        self.before(len(self.calls), call)
        handler = getattr(getattr(self, service.replace("-", "_"), None), xform_name(operation), None)
        assert handler is not None, f"the double does not know {call}"
        answer: dict[str, Any] = handler(request) or {}
        self.after(len(self.calls), call)
        return answer

    def settle(self) -> None:
        """Advance the account to trio's time."""
        if trio.lowlevel.in_trio_run():
            self.timeline.advance(max(trio.current_time(), self.timeline.now))

    def pass_time(self, seconds: float) -> None:
        """Let ``seconds`` pass, for tests without a trio clock."""
        self.timeline.advance(self.timeline.now + seconds)


def _allow(account: Account, call: Call) -> None:
    """Allow the call."""


def _do_nothing(number: int, call: Call) -> None:
    """Do nothing to the call."""


@cache
def _partition(region: str) -> tuple[str, str]:
    """Return the name and the DNS suffix of a region's partition."""
    meta = client("sqs", region).meta
    return meta.partition, meta.endpoint_url.partition(f".{region}.")[2]
