"""``fleet policy`` prints a verb's policies for a fleet, account and region, and refuses what can't be one."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cloudkon.errors import InvalidInput
from fleet.aws.policies.catalogue import FILES_OF, statements_of
from fleet.aws.policies.splitting import LARGEST, characters, split
from fleet.cli.commands import fleet

KNOWN = ("--account", "123456789012", "--region", "us-gov-west-1")
LONGEST = "abcdefghijklmnopqrstuvwxyz-9"


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def policy(*arguments: str) -> Result:
    return CliRunner().invoke(fleet, ["policy", *arguments])


def refusal(*arguments: str) -> str:
    error = policy(*arguments).exception
    assert isinstance(error, InvalidInput)
    return str(error)


def resources(document: dict[str, Any]) -> set[str]:
    found = set[str]()
    for one in document["Statement"]:
        found.update([one["Resource"]] if isinstance(one["Resource"], str) else one["Resource"])
    return found


def test_policy_names_fleet_account_region_and_partition() -> None:
    document = json.loads(policy("client", "--fleet", "pictures", *KNOWN).stdout)
    assert "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:pictures-results" in resources(document)
    assert "arn:aws-us-gov:s3:::pictures-store-123456789012-us-gov-west-1/*" in resources(document)


def test_fleet_and_bucket_come_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDKON_FLEET", "pictures")
    monkeypatch.setenv("CLOUDKON_BUCKET", "mine")
    found = resources(json.loads(policy("client", *KNOWN).stdout))
    assert {"arn:aws-us-gov:s3:::mine", "arn:aws-us-gov:ecs:us-gov-west-1:123456789012:service/pictures/*"} <= found


@pytest.mark.parametrize("region", [None, "eu-central-1"])
def test_without_credentials_the_policy_is_valid_in_any_account(
    region: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if region:
        monkeypatch.setenv("AWS_REGION", region)
    result = policy("client")
    assert f"arn:aws:sqs:{region or '*'}:*:cloudkon-results" in resources(json.loads(result.stdout))
    assert f"arn:aws:s3:::cloudkon-store-*-{region or '*'}" in resources(json.loads(result.stdout))
    assert "the policies are valid in any account: " in result.stderr


def test_count_and_sizes_are_reported() -> None:
    assert policy("publish", *KNOWN).stderr.startswith("1 policy (")
    told = policy("up", *KNOWN).stderr
    assert told.startswith("3 policies (")
    assert told.endswith("a role takes 10 managed policies by default\n")


def test_split_prints_a_policy_a_line() -> None:
    documents = [json.loads(line) for line in policy("up", "--split", "--fleet", LONGEST, *KNOWN).stdout.splitlines()]
    assert len(documents) == 3
    assert all(characters(one) <= LARGEST for one in documents)


def test_json_has_names_and_sizes() -> None:
    rows = json.loads(policy("down", "--delete-data", "--json", *KNOWN).stdout)["policies"]
    assert [one["name"] for one in rows] == [f"cloudkon-down-{number}" for number in range(1, len(rows) + 1)]
    assert all(one["characters"] == characters(one["document"]) <= LARGEST for one in rows)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("grow",), "verb 'grow': there are no policies for it. Verbs: up, deploy,"),
        (("up", "--delete-data"), "--delete-data: up deletes no data. Use it with down"),
        (("up", "--fleet", "Pictures", *KNOWN), "fleet 'Pictures': on AWS it has 2 to 28 small letters"),
        (("up", "--fleet", "aws-pictures", *KNOWN), "fleet 'aws-pictures': on AWS it can't begin with aws"),
        (
            ("up", "--region", "mars-1"),
            "region 'mars-1': no partition of AWS has a region of that name. Fix AWS_REGION",
        ),
        (("up", "--account", "12"), "account '12': it is not twelve digits. Fix --account"),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, tuple) else "",
)
def test_bad_input_is_refused_with_its_remedy(arguments: tuple[str, ...], text: str) -> None:
    assert text in refusal(*arguments)


def test_statement_that_two_files_share_occurs_once() -> None:
    for verb in FILES_OF:
        found = statements_of(verb)
        assert all(found.count(one) == 1 for one in found), verb


def test_split_keeps_order_and_numbers_equal_names() -> None:
    statements = [
        {"Sid": name, "Effect": "Allow", "Action": f"s3:Get{number:04}" + "x" * 2000, "Resource": "*"}
        for number, name in enumerate(["A", "A", "B", "A"])
    ]
    policies = split(statements)
    assert [[one["Sid"] for one in document["Statement"]] for document in policies] == [["A", "A2"], ["B", "A"]]


def test_white_space_does_not_count() -> None:
    assert characters({"Version": "a b"}) == len('{"Version":"ab"}')


@pytest.mark.parametrize("bucket", ["*", "prod-*", "${aws:username}", "mine?"])
def test_bucket_can_open_no_other(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDKON_BUCKET", bucket)
    assert "CLOUDKON_BUCKET" in refusal("client", *KNOWN)


def test_wrong_fleet_is_one_line_that_names_the_option() -> None:
    result = policy("client", "--fleet", "AB")
    assert "--fleet" in str(result.exception)
    assert result.stderr == ""
