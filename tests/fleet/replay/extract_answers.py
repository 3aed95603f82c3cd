"""Extracts the shapes of answers that AWS really gave, from what public projects have recorded, into our own data.

    python -m tests.fleet.replay.extract_answers CLOUD_CUSTODIAN LOCALSTACK

The arguments are checkouts: of github.com/cloud-custodian/cloud-custodian, whose ``tests/data/placebo`` holds answers
recorded on AWS, and of github.com/localstack/localstack, whose ``tests/aws`` holds snapshots validated on AWS. Nothing
of their files is copied as it is. What is kept is what AWS decides: which members are present, enumerations,
formats, AWS's own sentences. All names, numbers of accounts and addresses are replaced, and of answers that differ in
nothing else, one is kept.
"""

import datetime as dt
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import botocore
import botocore.session
from botocore.model import ListShape, MapShape, Shape, StructureShape

from cloudkon.aws.recording.sanitiser import Sanitiser
from cloudkon.aws.recording.stand_ins import StandIns
from tests.fleet.replay.modelled import from_json, operation_model, signature_of, without_pages
from tests.fleet.replay.operations import ROWS, rows_of

STORED: Final = Path(__file__).with_name("answers.json")
MOST: Final = 24
"""Answers of one operation that are kept."""
MOST_ELEMENTS: Final = 3
"""Elements of a list inside of a row that are kept, each of another shape."""
ACCOUNT: Final = "123456789012"
PLACEBO: Final = {"api.ecr": "ecr", "tagging": "resourcegroupstaggingapi", "monitoring": "cloudwatch"}
"""Host names by which placebo names a service, where these differ from boto3's names."""
DERIVED: Final = {
    "servicequotas.ListServiceQuotas": ("service-quotas.GetServiceQuota", "Quotas", "Quota"),
    "servicequotas.ListAWSDefaultServiceQuotas": ("service-quotas.GetServiceQuota", "Quotas", "Quota"),
    "s3.GetObject": ("s3.HeadObject", "", ""),
}
"""Answers that have the row or the head of an answer which nobody recorded."""
LABELS: Final = {
    "cloudformation": {
        "StackEvents": "DescribeStackEvents",
        "Stacks": "DescribeStacks",
        "Changes": "DescribeChangeSet",
    },
    "cloudwatch": {"MetricAlarms": "DescribeAlarms", "MetricDataResults": "GetMetricData"},
    "dynamodb": {"Responses": "BatchExecuteStatement", "Items": "Query", "Item": "GetItem"},
    "ec2": {"Subnets": "DescribeSubnets", "Vpcs": "DescribeVpcs", "VpcEndpoints": "DescribeVpcEndpoints"},
    "logs": {"logGroups": "DescribeLogGroups", "logStreams": "DescribeLogStreams"},
    "resourcegroupstaggingapi": {"ResourceTagMappingList": "GetResources"},
    "s3": {"KeyCount": "ListObjectsV2", "Versions": "ListObjectVersions", "DeleteMarkers": "ListObjectVersions"},
    "sqs": {"Messages": "ReceiveMessage", "Attributes": "GetQueueAttributes", "QueueUrl": "GetQueueUrl"},
}
"""How an answer in LocalStack's snapshots is recognised: they name the step of a test, not the operation."""
EXAMPLES: Final = (
    *("application-autoscaling.DescribeScalingPolicies", "autoscaling.DescribeScalingActivities"),
    *("dynamodb.GetItem", "dynamodb.Query"),
)
_BOTOCORE: Final = {"commit": f"release {botocore.__version__}", "date": "", "licence": "Apache-2.0"}
HINTS: Final = {
    ("sqs", "send"): "SendMessageBatch",
    ("sqs", "delete"): "DeleteMessageBatch",
    ("sqs", "change"): "ChangeMessageVisibilityBatch",
    ("logs", "filter"): "FilterLogEvents",
    ("logs", "get"): "GetLogEvents",
    ("s3", "head"): "HeadObject",
    ("s3", "put"): "PutObject",
    ("s3", "delete"): "DeleteObjects",
}
"""Operations by words of a step's label, for answers without a member of their own."""
CUT: Final = {
    "ec2.DescribeInstances": ("Reservations", "Instances", {"InstanceType", "LaunchTime", "State"}),
    "sqs.ReceiveMessage": ("", "Messages", {"Body", "ReceiptHandle"}),
}
"""Members that AWS always sends, which authors of tests have cut out of some records by hand (16 of cloud-custodian's
instances have nothing but an id and a key's name; a message of SQS has at least one character). These are no facts."""
SOME_MILLISECONDS: Final = "1700000000000"
HINTED: Final = {"Successful", "Failed", "events", "ETag", "Deleted", "Errors"}

Found = Iterator[tuple[str, dict[str, Any]]]


def main(custodian: Path, localstack: Path) -> None:
    """Store the data, an answer a line."""
    sources = {"cloud-custodian": _source(custodian), "localstack": _source(localstack), "botocore": _BOTOCORE}
    answers: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {}
    errors: dict[tuple[str, str, int], tuple[str, dict[str, Any]]] = {}
    found_by = {"cloud-custodian": _placebo(custodian), "localstack": _snapshots(localstack), "botocore": _examples()}
    for name, found in found_by.items():
        for operation, answer in found:
            # A new one each time: a name in one answer must not blank the same word in AWS's sentence in another.
            sanitiser = Sanitiser(StandIns(b"the stored answers"))
            if "Error" in answer:
                service = operation.partition(".")[0]
                error, status = answer["Error"], answer.get("status", 400)
                code = str(error.get("Code", ""))
                text = sanitiser.sentence(str(error.get("Message") or ""))
                errors.setdefault((service, code, status), (name, {"Code": code, "Message": text}))
            elif operation in ROWS:
                for row in rows_of(operation, answer):
                    _keep(operation, row, name, answers.setdefault(operation, {}), sanitiser)
    lines = ["{", f'"extracted": "{dt.datetime.now(tz=dt.UTC).date()}",', '"sources": {']
    lines += _joined(f"{json.dumps(name)}: {json.dumps(source, sort_keys=True)}" for name, source in sources.items())
    lines += ["},", '"answers": {']
    for operation, kept in sorted(answers.items()):
        lines.append(f'"{operation}": [')
        lines += _joined(json.dumps([name, answer], sort_keys=True) for name, answer in kept.values())
        lines.append("]" if operation == max(answers) else "],")
    lines += ["},", '"errors": [']
    lines += _joined(json.dumps([*key, name, error["Message"]]) for key, (name, error) in sorted(errors.items()))
    # The stand-ins of accounts are told apart within a recording; here, one account is enough.
    text = re.sub(r"(?<!\d)000000\d{6}(?!\d)", ACCOUNT, "\n".join([*lines, "]", "}", ""]))
    STORED.write_text(text, encoding="utf-8")


def _joined(rows: Iterator[str]) -> list[str]:
    found = list(rows)
    return [f"{row}," for row in found[:-1]] + found[-1:]


def _source(folder: Path) -> dict[str, str]:
    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    return {
        "commit": git("log", "-1", "--format=%H"),
        "date": git("log", "-1", "--format=%cs"),
        "licence": "Apache-2.0",
    }


def _examples() -> Found:
    """Yield AWS's own examples, which botocore ships, of operations that no project has recorded."""
    loader = botocore.session.Session().get_component("data_loader")
    for service in sorted({name.partition(".")[0] for name in EXAMPLES}):
        for operation, examples in loader.load_service_model(service, "examples-1")["examples"].items():
            if f"{service}.{operation}" in EXAMPLES:
                yield from ((f"{service}.{operation}", one["output"]) for one in examples if one.get("output"))


def _placebo(checkout: Path) -> Found:
    for path in sorted((checkout / "tests/data/placebo").glob("*/*.json")):
        host, _, rest = path.stem.rpartition(".")
        label = f"{host}.{re.sub(r'_[0-9]+$', '', rest)}"
        operation, rows, member = DERIVED.get(label, (f"{PLACEBO.get(host, host)}.{label.rpartition('.')[2]}", "", ""))
        if operation not in ROWS:
            continue
        stored = json.loads(path.read_text(encoding="utf-8"), object_hook=_placebo_time)
        data = stored["data"]
        if stored.get("status_code", 200) != 200:
            yield operation, {"Error": data.get("Error", {}), "status": stored["status_code"]}
        elif rows:
            yield from ((operation, {member: row}) for row in data.get(rows, ()))
        else:
            yield operation, data


def _placebo_time(found: dict[str, Any]) -> object:
    if found.get("__class__") != "datetime":
        return found
    parts = {name: value for name, value in found.items() if not name.startswith("__") and isinstance(value, int)}
    return dt.datetime(**parts, tzinfo=dt.UTC)


def _snapshots(checkout: Path) -> Found:
    for service, labels in LABELS.items():
        for path in sorted((checkout / "tests/aws/services" / service).rglob("*.snapshot.json")):
            for test in json.loads(path.read_text(encoding="utf-8")).values():
                yield from _steps(service, labels, test.get("recorded-content") or {}, "")


def _steps(service: str, labels: dict[str, str], value: Any, label: str) -> Found:  # noqa: ANN401  (JSON)
    """Yield each answer in a snapshot: what has the facts about a response, however deep."""
    if isinstance(value, list):
        for one in value:
            yield from _steps(service, labels, one, label)
    if not isinstance(value, dict):
        return
    meta = value.get("ResponseMetadata")
    if isinstance(meta, dict) and isinstance(value.get("Error"), dict):
        yield f"{service}.", {"Error": value["Error"], "status": meta.get("HTTPStatusCode", 400)}
    elif isinstance(meta, dict):
        hinted = [one for (where, word), one in HINTS.items() if where == service and word in label.lower()]
        own = [operation for member, operation in labels.items() if member in value]
        if own or (hinted and value.keys() & HINTED):
            yield f"{service}.{(own or hinted)[0]}", value
    else:
        for key, one in value.items():
            yield from _steps(service, labels, one, key)


def _is_cut(operation: str, answer: dict[str, Any]) -> bool:
    outer, inner, needed = CUT.get(operation, ("", "", set[str]()))
    parts = answer.get(outer, ()) if outer else (answer,)
    return any(needed - one.keys() for part in parts for one in part.get(inner, ()))


def _keep(
    operation: str,
    answer: dict[str, Any],
    name: str,
    kept: dict[str, tuple[str, dict[str, Any]]],
    sanitiser: Sanitiser,
) -> None:
    model = operation_model(*operation.split("."))
    shape = model.output_shape
    parsed = without_pages(_reduced(from_json(answer, shape), shape))
    for message in parsed.get("Messages", ()):
        # In a snapshot, a word stands for each time. Of a queue's attributes the model doesn't say that they are times.
        for key, value in message.get("Attributes", {}).items():
            message["Attributes"][key] = SOME_MILLISECONDS if value == "timestamp" else value
    signature = json.dumps(signature_of(parsed, shape), sort_keys=True)
    if signature not in kept and len(kept) < MOST and not _is_cut(operation, parsed):
        kept[signature] = name, sanitiser.answer(parsed, model)


def _reduced(value: Any, shape: Shape | None) -> Any:  # noqa: ANN401  (a parsed answer)
    """Return a value with shorter lists, of elements that differ in shape."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {key: _reduced(one, shape.members[key]) for key, one in value.items()}
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: _reduced(one, shape.value) for key, one in value.items()}
    if isinstance(shape, ListShape) and isinstance(value, list):
        different = {json.dumps(signature_of(one, shape.member), sort_keys=True): one for one in value}
        return [_reduced(one, shape.member) for one in [*different.values()][:MOST_ELEMENTS]]
    return value


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
