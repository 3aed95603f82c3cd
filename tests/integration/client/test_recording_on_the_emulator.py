"""``CLOUDKON_RECORD`` on the embedded emulator: many programs record into one folder, and none of them a secret."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from cloudkon.aws import connect
from cloudkon.aws.sessions import EMULATOR_ACCESS_KEY
from cloudkon.errors import CloudKonError
from cloudkon.model import Outgoing
from cloudkon.settings import ANY_SECRET
from tests.fleet.replay.recordings import misread, recorded_calls
from tests.integration.client.client_process import DEADLINE, Client, complete_chunks, receive_all

SECRETS = {
    "message": "exec curl https://tom:hunter2@private.example.org/payroll?token=tr0ub4dor",
    "attribute": "attribute-7zz",
    "output": "output-of-4lice",
    "object": "content-9qq",
    "fact": "fact-5vv",
    "session token": "FwoGZXIvYXdzEXAMPLETOKEN",
    "bucket": "acme-payroll",
    "key": "erika.mustermann@example.org",
}


def read_all(folder: Path) -> str:
    """Return the text of all recordings of a folder."""
    return "".join(path.read_text() for path in folder.iterdir())


def found_secrets(text: str) -> list[str]:
    """Return what of the secrets stands in a text, whole or in part."""
    parts = [*SECRETS.values(), "hunter2", "tr0ub4dor", "7zz", "4lice", "9qq", "5vv", "payroll", "mustermann", "curl"]
    return [part for part in parts if part.lower() in text.lower()]


async def use_everything(client: Client, folder: Path) -> None:
    """Send, receive, write, read, store, fetch, list and delete what is secret."""
    # With the environment's keys, as on AWS, to have a session token. The emulator has no STS to ask for the owner.
    settings = replace(client.settings, target="aws", region="us-east-1", bucket_owner="000000000000")
    services = connect(replace(settings, bucket=client.settings.store_bucket, record=str(folder)))
    queue = services.queues["worker"]
    chunks = await receive_all(queue)
    await complete_chunks(services.ledger, chunks, lambda _seq: SECRETS["output"])
    records = await services.ledger.read([chunk.key for chunk in chunks[:2]])
    assert all(record and record.progress.results[0].output == SECRETS["output"] for record in records)
    await queue.send([Outgoing(json.dumps({"i": SECRETS["message"]}), {"note": SECRETS["attribute"]})])
    (delivery,) = await queue.receive(1, 0, 30)
    await queue.set_visibility([delivery], [1.0])
    await queue.delete([delivery])
    await services.store.put(SECRETS["key"], SECRETS["object"].encode(), "text/plain", {"fact": SECRETS["fact"]})
    (client.folder / "file").write_bytes(SECRETS["object"].encode() * 1000)
    stored = await services.store.put(f"{SECRETS['key']}/2", client.folder / "file", "text/plain", {})
    await services.store.get(stored.address, client.folder / "back")
    assert [one async for one in services.store.list(SECRETS["key"])]
    await services.store.delete([SECRETS["key"], f"{SECRETS['key']}/2"])
    with pytest.raises(CloudKonError):
        await services.store.head(f"s3://{SECRETS['bucket']}/{SECRETS['key']}")


def test_recording_of_programs_side_by_side_has_no_secret(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "recording"
    (client.folder / "workload.txt").write_text(f"{SECRETS['message']}\n" * 50)
    environment = {"CLOUDKON_RECORD": str(folder), "CLOUDKON_ALLOW_EXEC": "yes"}
    with client.start("push", "--chunk", "5", environment=environment) as process:
        stdout, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, stderr
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", EMULATOR_ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ANY_SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", SECRETS["session token"])
    watchers = [client.start("check", stdout.strip(), "--json", environment=environment) for _ in range(2)]
    trio.run(use_everything, client, folder)
    for watcher in watchers:
        with watcher:
            watcher.communicate(timeout=DEADLINE)
    assert len(list(folder.iterdir())) == 4
    names = {call.name for call in recorded_calls(folder)}
    assert names >= {
        *("sqs.SendMessageBatch", "sqs.ReceiveMessage", "sqs.DeleteMessageBatch", "dynamodb.BatchExecuteStatement"),
        *("dynamodb.Query", "s3.PutObject", "s3.GetObject", "s3.ListObjectsV2", "s3.HeadObject", "s3.DeleteObjects"),
    }
    assert found_secrets(read_all(folder)) == []
    assert trio.run(misread, folder) == []
