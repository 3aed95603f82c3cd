"""The naive worker of 2014: one message at a time, get then put to keep duplicates out, then run, answer and delete."""

import time
from dataclasses import replace
from typing import Any, Final

from benchmarks.bench_fleet import BenchFleet, Rate
from cloudkon.aws import Connection
from cloudkon.settings import Settings

NAME: Final = "naive"
"""Of its queue, and of its table; its answers go to a queue of this name and ``-results``."""
BATCH: Final = 10


def naive_rate(fleet: BenchFleet, tasks: int, milliseconds: int) -> Rate:
    """Run so many sleeps on the fleet's emulator, in this process."""
    settings = Settings(state_dir=fleet.state_dir)
    settings = replace(settings, endpoint_url=settings.service_endpoint())
    connection = Connection(settings)
    sqs: Any = connection.client("sqs")
    dynamo: Any = connection.client("dynamodb")
    queue, results = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in (NAME, f"{NAME}-results"))
    dynamo.create_table(
        TableName=NAME,
        KeySchema=[{"AttributeName": "task", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "task", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    try:
        for first in range(0, tasks, BATCH):
            some = range(first, min(first + BATCH, tasks))
            entries = [{"Id": str(task), "MessageBody": f"{task} sleep {milliseconds}"} for task in some]
            sqs.send_message_batch(QueueUrl=queue, Entries=entries)
        begun = time.monotonic()
        for _ in range(tasks):
            _one(sqs, dynamo, queue, results)
        return Rate(tasks, time.monotonic() - begun)
    finally:
        dynamo.delete_table(TableName=NAME)
        for url in (queue, results):
            sqs.delete_queue(QueueUrl=url)


def _one(sqs: Any, dynamo: Any, queue: str, results: str) -> None:  # noqa: ANN401  (botocore makes its clients' types)
    message = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=1, WaitTimeSeconds=1)["Messages"][0]
    task, _word, milliseconds = message["Body"].split()
    if "Item" not in dynamo.get_item(TableName=NAME, Key={"task": {"S": task}}):
        dynamo.put_item(TableName=NAME, Item={"task": {"S": task}})
        time.sleep(int(milliseconds) / 1000)
        sqs.send_message(QueueUrl=results, MessageBody=f"{task} 0")
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
