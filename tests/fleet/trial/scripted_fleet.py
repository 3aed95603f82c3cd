"""Answers the trial's command lines as a healthy fleet would, on moto's account. It starts no program."""

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import boto3
from moto.ec2.models import ec2_backends
from moto.sts.models import sts_backends

from cloudkon.model import WORKER
from cloudkon.settings import Settings
from fleet.aws.policies.catalogue import statements_of
from fleet.aws.policies.rendering import Scope, render
from fleet.aws.policies.splitting import split
from fleet.aws.resources.names import TAG
from tests.aws.program_run import Finished
from tests.fleet.moto_account import ACCOUNT, REGION, TYPE

RECEIVES: Final = 3
"""The real queue's ``maxReceiveCount`` is 1,000."""


class ScriptedFleet:
    """One fleet. Commands are noted in ``lines``, the role that each ran under in ``roles``."""

    def __init__(self, session: boto3.Session) -> None:
        self._ec2: Any = session.client("ec2")
        self._sqs: Any = session.client("sqs")
        self.name = ""
        self.lines: list[str] = []
        self.roles: dict[str, set[str]] = {}
        self.environments: list[Mapping[str, str]] = []
        self.desired = 0
        self.spot = False
        self.exists = False
        self.attempts = 1
        self.wakes = True
        self.answers = False
        self.was_interrupted = False
        self.fails: Callable[[int, str], object] = lambda _number, _line: None
        """Called before each command with its number and its line. It may raise, or return a true value for exit 1."""
        self._tasks: dict[str, int] = {}
        self._checked: Counter[str] = Counter()
        self._followed = False

    def __call__(
        self,
        words: tuple[str, ...],
        environment: Mapping[str, str],
        seconds: float,  # noqa: ARG002  (Execute's signature)
        watch: Callable[[], None],
    ) -> Finished:
        line = " ".join(words)
        self.name = environment["CLOUDKON_FLEET"]
        self.lines.append(line)
        self.environments.append(environment)
        self.roles.setdefault(" ".join(words[:2]), set()).add(role_of_key(environment["AWS_ACCESS_KEY_ID"]))
        watch()
        if self.fails(len(self.lines), line):
            return Finished(1, "")
        with self.answering():
            made = getattr(self, f"_{words[0]}_{words[1]}")(words[2:])
        return Finished(0, made if isinstance(made, str) else f"{json.dumps(made)}\n")

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """While calls to AWS are the fleet's, not the trial's."""
        self.answers = True
        try:
            yield
        finally:
            self.answers = False

    def interrupt(self) -> None:
        """End the fleet's instances as a reclaim does, and replace them."""
        self.was_interrupted = True
        self._end_instances()
        self._run_instance()

    def _fleet_policy(self, words: tuple[str, ...]) -> object:
        settings = Settings(target="aws", fleet=self.name)
        statements = statements_of(words[0], delete_data="--delete-data" in words)
        return {"policies": [{"document": one} for one in split(render(statements, Scope(settings, ACCOUNT, REGION)))]}

    def _fleet_up(self, words: tuple[str, ...]) -> object:
        if "--dry-run" in words:
            return f"+ {self.name}-compute\n"
        if not self.exists:
            dead = self._sqs.create_queue(QueueName=f"{self.name}-worker-dead")["QueueUrl"]
            asked = self._sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
            policy = {"deadLetterTargetArn": asked["QueueArn"], "maxReceiveCount": RECEIVES}
            name = WORKER.queue_name(self.name)
            self._sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps(policy)})
        self.exists = True
        self.spot = "--spot" in words
        return {"endpoint_url": ""}

    def _fleet_build(self, _words: tuple[str, ...]) -> object:
        return {"pools": ["worker"]}

    _fleet_publish = _fleet_deploy = _fleet_build

    def _fleet_scale(self, words: tuple[str, ...]) -> object:
        self._set(int(words[0]))
        self._followed = False
        return {"running": self.desired}

    def _fleet_autoscale(self, _words: tuple[str, ...]) -> object:
        self._followed = True
        return {}

    def _fleet_logs(self, _words: tuple[str, ...]) -> object:
        return '{"action": "started"}\n'

    def _fleet_status(self, _words: tuple[str, ...]) -> object:
        if self._followed and not self._waiting():
            self._set(0)
        dead = self._messages("worker-dead")
        pool = {"desired": self.desired, "running": self.desired, "dead_letters": dead}
        count = len(self._instances())
        return {"pools": {"worker": pool}, "instances": {"registered": count, "running": count}}

    def _fleet_down(self, words: tuple[str, ...]) -> object:
        self._end_instances()
        if "--delete-data" in words:
            for url in self._sqs.list_queues(QueueNamePrefix=self.name).get("QueueUrls", ()):
                self._sqs.delete_queue(QueueUrl=url)
            self.exists = False
        return {}

    def _client_push(self, words: tuple[str, ...]) -> object:
        run = f"run{len(self._tasks)}"
        with open(words[0], encoding="utf-8") as workload:  # noqa: PTH123  (a word of the command)
            self._tasks[run] = len(workload.readlines())
        if "--chunk" in words:
            self._sqs.send_message(QueueUrl=self._url("worker"), MessageBody=run)
        self._wake()
        return {"run": run}

    def _client_check(self, words: tuple[str, ...]) -> object:
        run = words[0]
        self._checked[run] += 1
        if "--wait" in words:
            return {"succeeded": self._tasks[run]}
        return {"succeeded": self._checked[run] - 1}

    def _client_results(self, words: tuple[str, ...]) -> object:
        rows = [{"task": f"{words[0]}/{number}", "attempts": self.attempts} for number in range(self._tasks[words[0]])]
        return "".join(f"{json.dumps(row)}\n" for row in rows)

    def _client_dlq(self, words: tuple[str, ...]) -> object:
        assert words[0] == "redrive"
        found = self._sqs.receive_message(QueueUrl=self._url("worker-dead"))["Messages"]
        self._sqs.delete_message(QueueUrl=self._url("worker-dead"), ReceiptHandle=found[0]["ReceiptHandle"])
        self._wake()
        return {}

    def _waiting(self) -> bool:
        return any(not self._checked[run] for run in self._tasks)

    def _wake(self) -> None:
        if self._followed and self.wakes:
            self._set(4)

    def _set(self, count: int) -> None:
        self.desired = count
        if count and not self._instances():
            self._run_instance()
        if not count:
            self._end_instances()

    def _run_instance(self) -> None:
        # Listing moto's images takes longer than the whole trial.
        image = next(iter(ec2_backends[ACCOUNT][REGION].amis))
        market = {"InstanceMarketOptions": {"MarketType": "spot"}} if self.spot else {}
        tags = [{"ResourceType": "instance", "Tags": [{"Key": TAG, "Value": self.name}]}]
        self._ec2.run_instances(
            ImageId=image, MinCount=1, MaxCount=1, InstanceType=TYPE, TagSpecifications=tags, **market
        )

    def _instances(self) -> list[str]:
        filters = [
            {"Name": f"tag:{TAG}", "Values": [self.name]},
            {"Name": "instance-state-name", "Values": ["running"]},
        ]
        rows = self._ec2.describe_instances(Filters=filters)["Reservations"]
        return [one["InstanceId"] for row in rows for one in row["Instances"]]

    def _end_instances(self) -> None:
        if found := self._instances():
            self._ec2.terminate_instances(InstanceIds=found)

    def _url(self, queue: str) -> str:
        return str(self._sqs.get_queue_url(QueueName=f"{self.name}-{queue}")["QueueUrl"])

    def _messages(self, queue: str) -> int:
        asked = ["ApproximateNumberOfMessages"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url(queue), AttributeNames=asked)
        return int(answer["Attributes"][asked[0]])


def role_of_key(key: str) -> str:
    """Return the name of the role that lent an access key, or ``user``."""
    found = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(key)
    return found.role_arn.rpartition("/")[2] if found else "user"
