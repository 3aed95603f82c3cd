"""Tests of the client's commands as processes on the embedded emulator; the test acts as the worker."""

import json
import re
import signal
from pathlib import Path

import pytest
import trio

from cloudkon.errors import ObjectMissing
from cloudkon.model import Outgoing, PayloadRef
from cloudkon.settings import Settings
from cloudkon.wire.payload import decode_payload, read_message
from cloudkon.wire.report import encode_report
from tests.integration.client.client_process import DEADLINE, Client, complete_chunks, receive_all
from tests.support.patience import until


def test_run_goes_from_push_to_results(client: Client) -> None:
    client.write_workload(300)
    run_id = client.run("push", "--chunk", "7").strip()
    waiting = json.loads(client.run("check", "--json", code=1))
    assert (waiting["run"], waiting["tasks"], waiting["waiting"]) == (run_id, 300, 300)

    chunks = trio.run(receive_all, client.services.queues["worker"])
    assert [task.instruction for chunk in chunks for task in chunk.tasks()] == [f"sleep {n % 100}" for n in range(300)]
    with client.start("check", run_id, "--wait", "--json") as process:
        trio.run(complete_chunks, client.services.ledger, chunks)
        stdout, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, stderr
    counts = json.loads(stdout)
    assert (counts["succeeded"], counts["complete"], counts["seconds"]) == (300, True, 300.0)

    listed = [json.loads(line) for line in client.run("results", "--json").splitlines()]
    assert sorted(one["task"] for one in listed) == sorted(f"{run_id}/{seq}" for seq in range(300))
    assert all(one["task"] == f"{run_id}/{one['output']}" for one in listed)
    assert client.run("push", "--chunk", "7").strip() != run_id


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_push_resumes(client: Client, number: signal.Signals) -> None:
    client.write_workload(8000)
    folder = client.folder / client.settings.state_dir
    with client.start("push") as process:
        journals = (folder / "pushes").glob
        until(lambda: any('"sent"' in path.read_text() for path in journals("docker-*")), within=DEADLINE, step=0.02)
        process.send_signal(number)
        process.communicate(timeout=DEADLINE)
    assert process.returncode in (-signal.SIGKILL, 130), "the push ended before the interrupt"
    [last] = (folder / "pushes").glob("last-*")
    broken = last.read_text().strip()
    found = trio.run(client.services.queues["worker"].depth)
    assert 0 < found.visible < 8000

    with client.start("push") as process:
        stdout, stderr = process.communicate(timeout=DEADLINE)
    assert (process.returncode, stdout.strip()) == (0, broken)
    assert re.search(rf"run {broken} resumes: [1-9][\d,]* of 8,000 messages were sent before", stderr)
    depth = trio.run(client.services.queues["worker"].depth)
    assert 8000 <= depth.visible < 8000 + found.visible, "messages known to be sent are not sent again"
    assert json.loads(client.run("check", "--json", code=1))["tasks"] == 8000


@pytest.mark.long
def test_lost_messages_are_sent_again_by_push_run(client: Client) -> None:
    client.write_workload(50)
    run_id = client.run("push", "--chunk", "5").strip()
    lost = trio.run(receive_all, client.services.queues["worker"])
    assert client.run("push", "--run", run_id).strip() == run_id
    assert trio.run(receive_all, client.services.queues["worker"]) == lost
    client.write_workload(51)
    assert "its digest is not this workload's" in client.run("push", "workload.txt", "--run", run_id, code=2)


def test_large_chunk_of_high_priority_arrives(client: Client, tmp_path: Path) -> None:
    (client.folder / "workload.txt").write_text("exec : " + "x" * 1_200_000 + "\n")
    run_id = client.run("push", "--priority", "high").strip()
    (delivery,) = trio.run(client.services.high_queues["worker"].receive, 10, 2, 60)
    parcel = read_message(delivery.body)
    assert isinstance(parcel, PayloadRef)
    address = client.services.store.address(parcel.object_key)
    trio.run(client.services.store.get, address, tmp_path / "payload")
    assert decode_payload(parcel, (tmp_path / "payload").read_bytes()).key.run == run_id
    trio.run(client.services.store.delete, [parcel.object_key, "payloads/none"])
    with pytest.raises(ObjectMissing):
        trio.run(client.services.store.head, address)


def test_waiting_consumes_its_own_reports_and_leaves_the_others(client: Client) -> None:
    client.write_workload(20)
    run_id = client.run("push").strip()
    chunks = trio.run(receive_all, client.services.queues["worker"])

    async def finish() -> None:
        services = client.services
        results = await complete_chunks(services.ledger, chunks[:-1])
        await services.results.send([Outgoing(encode_report("another", results[:3]))])
        await services.results.send([Outgoing(encode_report(run_id, results))])
        await complete_chunks(services.ledger, chunks[-1:])

    with client.start("check", "--wait") as process:
        trio.run(finish)
        stdout, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, stderr
    assert run_id in stdout

    async def others() -> list[str]:
        return [delivery.body for delivery in await client.services.results.receive(10, 2, 5)]

    assert any('"another"' in body for body in trio.run(others))


@pytest.mark.long
def test_pull_fetches_videos_and_names_missing_ones(client: Client) -> None:
    (client.folder / "photos").mkdir()
    for number in range(3):
        (client.folder / f"photos/{number}.jpg").write_bytes(b"picture %d" % number)
    client.run("animoto", "3", "--pictures", "2", "--from", "photos")
    client.run("animoto", "3", "--pictures", "2", "--from", "photos")
    run_id = client.run("push").strip()

    async def render() -> None:
        services = client.services
        assert len([one async for one in services.store.list("pictures/")]) == 3
        for seq in (0, 2):
            facts = {"pictures": "2", "seconds": "2"}
            await services.store.put(f"videos/{run_id}/{seq}.t.jpg", b"poster %d" % seq, "image/jpeg", facts)
            await services.store.put(f"videos/{run_id}/{seq}.t.mp4", b"video %d" % seq, "video/mp4", facts)
        chunks = await receive_all(services.queues["animoto"])
        await complete_chunks(
            services.ledger, chunks, lambda seq: services.store.address(f"videos/{run_id}/{seq}.t.mp4")
        )

    trio.run(render)
    with client.start("pull") as process:
        _, stderr = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert f"error: task {run_id}/1: s3://" in stderr
    pulled = {path.name: path.read_bytes() for path in (client.folder / "videos").glob("[!.]*")}
    assert pulled == {"0.mp4": b"video 0", "2.mp4": b"video 2"}
    with client.start("pull", "--gallery", run_id) as process:
        written, said = process.communicate(timeout=DEADLINE)
    assert "0 new files, 2 already there" in said
    page = (client.folder / written.strip()).read_text()
    assert (client.folder / "videos/2.jpg").read_bytes() == b"poster 2"
    assert page.count('poster="') == page.count("2 pictures · 2 s") == 2


def test_cancel_sets_the_flag_in_the_ledger(client: Client) -> None:
    client.write_workload(3)
    run_id = client.run("push").strip()
    client.run("cancel")
    found = trio.run(client.services.ledger.read_run, run_id)
    assert found is not None
    assert found.cancelled


def test_missing_run_and_fleet_are_reported_with_the_remedy(client: Client, endpoint: str) -> None:
    client.write_workload(3)
    assert "has no such run" in client.run("check", "3a4f0c1b2c3", code=2)
    missing = Client(client.folder, Settings(fleet="nobody", target="docker", endpoint_url=endpoint))
    assert "python -m fleet up" in missing.run("push", code=2)
