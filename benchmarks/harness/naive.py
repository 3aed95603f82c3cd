"""Implements the naive worker of 2014: one message at a time, get and put against duplicates, run, reply and delete.

``python -m benchmarks.harness.naive`` runs one until it is killed, at the endpoint of the settings.
"""

import time
from dataclasses import replace
from typing import Any, Final

from benchmarks.harness.bench_fleet import BenchFleet, Rate
from benchmarks.harness.records import record_sleep
from cloudkon.aws import Connection
from cloudkon.settings import Settings

NAME: Final = "naive"
"""The name of its queue and of its table; replies go to the queue ``naive-results``."""
BATCH: Final = 10
_POLL_SECONDS: Final = 20


class NaiveWorker:
    """The worker with its queues and its table."""

    def __init__(self, settings: Settings) -> None:
        """Make the clients; no request is sent yet."""
        connection = Connection(settings)
        # As Any: botocore makes a client's methods at run time.
        self._sqs: Any = connection.client("sqs")
        self._dynamo: Any = connection.client("dynamodb")
        self._queue = self._results = ""

    def make(self) -> None:
        """Make the table, and make or find the queues."""
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
        """Delete the table and the queues."""
        self._dynamo.delete_table(TableName=NAME)
        for url in (self._queue, self._results):
            self._sqs.delete_queue(QueueUrl=url)

    def push(self, first: int, tasks: int, milliseconds: int) -> None:
        """Push sleeps numbered from ``first`` on, each with the time at which its batch was sent."""
        for begin in range(first, first + tasks, BATCH):
            some = range(begin, min(begin + BATCH, first + tasks))
            sent = time.time()
            entries = [{"Id": str(task), "MessageBody": f"{task} sleep {milliseconds} {sent}"} for task in some]
            self._sqs.send_message_batch(QueueUrl=self._queue, Entries=entries)

    def work(self, *, record: bool = False) -> bool:
        """Run one task and record it if asked to; return ``False`` if no message came."""
        answer = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=1, WaitTimeSeconds=_POLL_SECONDS)
        for message in answer.get("Messages", ()):
            task, _word, milliseconds, sent = message["Body"].split()
            if "Item" not in self._dynamo.get_item(TableName=NAME, Key={"task": {"S": task}}):
                self._dynamo.put_item(TableName=NAME, Item={"task": {"S": task}})
                if record:
                    record_sleep(int(milliseconds), float(sent))
                else:
                    time.sleep(int(milliseconds) / 1000)
                self._sqs.send_message(QueueUrl=self._results, MessageBody=f"{task} 0")
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
            return True
        return False


def naive_rate(fleet: BenchFleet, tasks: int, milliseconds: int) -> Rate:
    """Run ``tasks`` sleeps on the fleet's emulator, in this process."""
    settings = replace(Settings.from_environment(fleet.environment), state_dir=fleet.state_dir)
    naive = NaiveWorker(replace(settings, endpoint_url=settings.service_endpoint()))
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
    naive = NaiveWorker(Settings.from_environment())
    naive.find()
    while True:
        naive.work(record=True)


if __name__ == "__main__":
    main()
