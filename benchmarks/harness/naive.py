"""The naive worker of 2014: one message at a time, get then put to keep duplicates out, then run, answer and delete.

``python -m benchmarks.harness.naive`` is one that works on until it is killed, at the endpoint of the settings.
"""

import time
from dataclasses import replace
from typing import Any, Final

from benchmarks.harness.bench_fleet import BenchFleet, Rate
from benchmarks.harness.records import nap
from cloudkon.aws import Connection
from cloudkon.settings import Settings

NAME: Final = "naive"
"""Of its queue, and of its table; its answers go to a queue of this name and ``-results``."""
BATCH: Final = 10
_POLL_SECONDS: Final = 20


class Naive:
    """The worker, and what it needs."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is asked yet."""
        connection = Connection(settings)
        # As Any: botocore makes a client's methods at run time.
        self._sqs: Any = connection.client("sqs")
        self._dynamo: Any = connection.client("dynamodb")
        self._queue = self._results = ""

    def make(self) -> None:
        """Make queues and table, or find the queues that are there."""
        self.find()
        self._dynamo.create_table(
            TableName=NAME,
            KeySchema=[{"AttributeName": "task", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "task", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def find(self) -> None:
        """Find the queues, or make them."""
        self._queue, self._results = (
            self._sqs.create_queue(QueueName=name)["QueueUrl"] for name in (NAME, f"{NAME}-results")
        )

    def remove(self) -> None:
        """Delete all that was made."""
        self._dynamo.delete_table(TableName=NAME)
        for url in (self._queue, self._results):
            self._sqs.delete_queue(QueueUrl=url)

    def push(self, first: int, tasks: int, milliseconds: int) -> None:
        """Push sleeps, numbered from ``first`` on, with the time of each batch."""
        for begin in range(first, first + tasks, BATCH):
            some = range(begin, min(begin + BATCH, first + tasks))
            sent = time.time()
            entries = [{"Id": str(task), "MessageBody": f"{task} sleep {milliseconds} {sent}"} for task in some]
            self._sqs.send_message_batch(QueueUrl=self._queue, Entries=entries)

    def work(self, *, record: bool = False) -> bool:
        """Do one task and perhaps record it; ``False`` if there was none."""
        answer = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=1, WaitTimeSeconds=_POLL_SECONDS)
        for message in answer.get("Messages", ()):
            task, _word, milliseconds, sent = message["Body"].split()
            if "Item" not in self._dynamo.get_item(TableName=NAME, Key={"task": {"S": task}}):
                self._dynamo.put_item(TableName=NAME, Item={"task": {"S": task}})
                if record:
                    nap(int(milliseconds), float(sent))
                else:
                    time.sleep(int(milliseconds) / 1000)
                self._sqs.send_message(QueueUrl=self._results, MessageBody=f"{task} 0")
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
            return True
        return False


def naive_rate(fleet: BenchFleet, tasks: int, milliseconds: int) -> Rate:
    """Run so many sleeps on the fleet's emulator, in this process."""
    settings = replace(Settings.from_environment(fleet.environment), state_dir=fleet.state_dir)
    naive = Naive(replace(settings, endpoint_url=settings.service_endpoint()))
    naive.make()
    try:
        naive.push(0, tasks, milliseconds)
        begun = time.monotonic()
        for _ in range(tasks):
            naive.work()
        return Rate(tasks, time.monotonic() - begun)
    finally:
        naive.remove()


def main() -> None:
    """Work until killed."""
    naive = Naive(Settings.from_environment())
    naive.find()
    while True:
        naive.work(record=True)


if __name__ == "__main__":
    main()
