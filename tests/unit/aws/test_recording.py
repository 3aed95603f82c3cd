"""``CLOUDKON_RECORD``: what is written, what never is, and that no command suffers from it."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber

from cloudkon.aws import Connection
from cloudkon.aws.recording import folder as recording_folder
from cloudkon.aws.recording.folder import RecordingFolder
from cloudkon.aws.recording.stand_ins import StandIns
from cloudkon.errors import InvalidSetting
from cloudkon.settings import Settings

ROOT = Path(__file__).parents[3]
ACCOUNT = "210987654321"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "recording"


def connect(folder: Path, target: str = "docker", region: str = "", owner: str = "") -> Connection:
    """Return a connection to an endpoint where nothing answers, which is recorded."""
    endpoint = "http://127.0.0.1:9"
    return Connection(
        Settings(
            record=str(folder), fleet="unit", target=target, region=region, endpoint_url=endpoint, bucket_owner=owner
        )
    )


def lines(folder: Path) -> list[dict[str, Any]]:
    """Return all recorded calls."""
    found = [json.loads(line) for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()]
    return [one for one in found if "operation" in one]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("arn:aws:iam::210987654321:user/alice", "arn:aws:iam::"),
        ("alice@example.org", "@example.com"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIA"),
        ("i-0123456789abcdef0", "i-"),
        ("subnet-01234567", "subnet-"),
        ("sgr-0123456789abcdef0", "sgr-"),
        ("10.1.2.3/16", "/16"),
        ("ip-10-1-2-3.ec2.internal", ".ec2.internal"),
        ("2001:db8:85a3::8a2e:370:7334", "2001:db8::"),
        ("https://acme-images.s3.amazonaws.com/a?X-Amz-Signature=4f0c&X-Amz-Credential=AKIAX", ".s3.amazonaws.com/"),
        ("5d3c6f2e-1234-4abc-9def-0123456789ab", "-"),
        ("0123456789abcdef0123456789abcdef", ""),
        ("acme-payroll-images", "images"),
        ("Käthe 王小明", " "),
        ("4915112345678", ""),
    ],
)
def test_private_word_is_replaced_alike_each_time(text: str, kept: str) -> None:
    stand_ins = StandIns(b"one key", ["unit"])
    replaced = stand_ins.name(text)
    assert kept in replaced
    assert replaced == stand_ins.name(text) == StandIns(b"one key").name(text) != StandIns(b"another").name(text)
    private = ["alice", "210987", "AKIAI", "12345", "10.1.2.3", "10-1-2-3", "85a3", "acme", "payroll", "4f0c", "AKIAX"]
    private += ["5d3c6f2e", "Käthe", "王小明", "01234567", "4915112", "example.org"]
    assert [word for word in private if word in replaced] == []


@pytest.mark.parametrize(
    "text",
    [
        "unit-compute",
        "unit-worker-high",
        "eu-central-1b",
        "c7i.large,c7g.xlarge",
        "AWS::ECS::Service",
        "0.0.0.0/0",
        "com.amazonaws.eu-north-1.ecr.api",
        "service/unit/animoto",
        "TargetTracking-service/unit/worker-AlarmHigh",
        "2026-11-30T10:11:12.5+00:00",
        "1796073157170",
        "512",
    ],
)
def test_public_word_stays(text: str) -> None:
    assert StandIns(b"key", ["unit"]).name(text) == text


def test_fleet_whose_name_looks_like_an_id_stays() -> None:
    assert StandIns(b"key", ["trial-0123abcd"]).name("trial-0123abcd") == "trial-0123abcd"


@pytest.mark.parametrize(
    "text",
    [
        "We currently do not have sufficient c7i.large capacity in the Availability Zone you requested (us-east-1a).",
        "was unable to place a task because no container instance met all of its requirements.",
        "Maximum number of entries per request are 10. You have sent 20.",
        "The conditional request failed",
    ],
)
def test_sentence_of_aws_stays(text: str) -> None:
    assert StandIns(b"key").sentence(text) == text


def test_sentence_loses_private_words() -> None:
    stand_ins = StandIns(b"key")
    stand_ins.name("acme-payroll")
    said = stand_ins.sentence(
        "User: arn:aws:sts::210987654321:assumed-role/Admin/alice is not authorized to perform: ecs:ListClusters on "
        "cluster Acme, with 'hunter7' and i-0123456789abcdef0 at 10.1.2.3 (https://x.example.org/y)."
    )
    assert "is not authorized to perform: ecs:ListClusters on cluster x" in said
    private = ["alice", ACCOUNT, "Acme", "Admin", "hunter7", "0123456789", "10.1.2.3", "example.org"]
    assert [word for word in private if word in said] == []


def test_call_is_recorded_with_its_answer(folder: Path) -> None:
    sqs = connect(folder).client("sqs")
    url = f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/unit-worker"
    with Stubber(sqs) as stubber:
        stubber.add_response("get_queue_url", {"QueueUrl": url})
        stubber.add_response(
            "receive_message", {"Messages": [{"MessageId": "m", "ReceiptHandle": "handle-8", "Body": "body-9"}]}
        )
        sqs.get_queue_url(QueueName="unit-worker")
        sqs.receive_message(QueueUrl=url)
    named, received = lines(folder)
    assert (named["service"], named["operation"], named["status"]) == ("sqs", "GetQueueUrl", 200)
    assert named["request"] == {"QueueName": "unit-worker"}
    assert named["answer"]["QueueUrl"] == received["request"]["QueueUrl"]
    assert named["answer"]["QueueUrl"].endswith("/unit-worker")
    assert 0 <= named["at"] <= received["at"]
    assert received["answer"]["Messages"][0].keys() == {"MessageId", "ReceiptHandle", "Body"}
    text = json.dumps([named, received])
    assert [word for word in (ACCOUNT, "handle-8", "body-9") if word in text] == []


def test_refusal_and_lost_connection_are_recorded(folder: Path) -> None:
    sqs = connect(folder).client("sqs")
    with Stubber(sqs) as stubber:
        stubber.add_client_error("get_queue_url", "AccessDenied", f"no access for {ACCOUNT}", 403)
        with pytest.raises(ClientError):
            sqs.get_queue_url(QueueName="unit-worker")
    with pytest.raises(EndpointConnectionError):
        sqs.get_queue_url(QueueName="unit-worker")
    refused, lost = lines(folder)
    assert refused["status"] == 403
    assert refused["answer"]["Error"]["Code"] == "AccessDenied"
    assert refused["answer"]["Error"]["Message"].startswith("no access for 000000")
    assert lost["failure"]["kind"] == "EndpointConnectionError"


def test_keys_are_nowhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIbPxRfiCYEXAMPLEKEY",
        "AWS_SESSION_TOKEN": "FwoGZXIvYXdzEXAMPLE",
    }
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    owner = "210987654321"
    s3 = connect(folder, target="aws", region="us-east-1", owner=owner).client("s3")
    with pytest.raises(EndpointConnectionError):
        s3.head_bucket(Bucket="unit-store")
    s3.generate_presigned_url("get_object", Params={"Bucket": "unit-store", "Key": "k"})
    assert len(lines(folder)) == 1
    text = "".join(path.read_text() for path in folder.iterdir())
    assert [value for value in [*keys.values(), owner] if value[:12] in text] == []


def test_full_disk_costs_one_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sqs = connect(folder).client("sqs")

    def full(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with Stubber(sqs) as stubber:
        for _ in range(3):
            stubber.add_response("get_queue_url", {"QueueUrl": "http://x/1/unit-worker"})
            assert sqs.get_queue_url(QueueName="unit-worker")["QueueUrl"]
    assert capsys.readouterr().err.count("No space left on device") == 1


def test_process_stops_recording_at_its_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_folder, "MOST_BYTES", 100)
    recorded = RecordingFolder(folder)
    recorded.write({"operation": "a"})
    with pytest.raises(OSError, match="the most of one process"):
        recorded.write({"operation": "b" * 100})


def test_processes_share_a_key_and_have_a_file_each(folder: Path) -> None:
    first, second = RecordingFolder(folder), RecordingFolder(folder)
    assert first.key == second.key
    first.write({"operation": "a"})
    second.write({"operation": "b"})
    first.write({"operation": "c"})
    assert sorted(line["operation"] for line in lines(folder)) == ["a", "b", "c"]
    assert len(list(folder.iterdir())) == 2


def test_child_of_a_recording_process_has_its_own_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = RecordingFolder(folder)
    recorded.write({"operation": "parent"})
    monkeypatch.setattr(os, "getpid", lambda: 4_000_000)
    recorded.write({"operation": "child"})
    assert len(list(folder.iterdir())) == 2


def test_folder_with_other_things_is_refused(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.odt").write_text("")
    with pytest.raises(InvalidSetting, match=r"CLOUDKON_RECORD=.*it holds 'thesis.odt', which is no recording"):
        connect(folder).client("sqs")


def test_file_instead_of_a_folder_is_refused(folder: Path) -> None:
    folder.write_text("")
    with pytest.raises(InvalidSetting, match=r"CLOUDKON_RECORD=.*Name a new folder"):
        connect(folder).client("sqs")


def test_damaged_key_is_refused(folder: Path) -> None:
    folder.with_name("recording.key").write_text("guess me")
    with pytest.raises(InvalidSetting, match="is not a recording's key"):
        connect(folder).client("sqs")


def test_nothing_of_it_is_imported_unless_it_is_wanted() -> None:
    code = (
        "import sys; from cloudkon.aws import Connection; from cloudkon.settings import Settings; "
        "Connection(Settings(target='docker')).client('sqs'); "
        "print([name for name in sys.modules if 'recording' in name])"
    )
    plain = {name: text for name, text in os.environ.items() if not name.startswith("CLOUDKON_")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=plain, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "[]"
