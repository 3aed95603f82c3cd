"""The templates against AWS's own schemas, their stored renderings for each option, and the settings."""

import difflib
import re
import subprocess
import sys
from dataclasses import fields
from itertools import chain
from pathlib import Path

import pytest
from cfnlint.decode.cfn_yaml import loads  # type: ignore[import-untyped]  # it ships no types

from cloudkon.aws.stack_template import LONGEST, without_comments
from cloudkon.settings import PREFIX, Settings
from tests.fleet.double.api_error import ApiError
from tests.fleet.double.template import Template
from tests.support.template_rendering import (
    COMPUTE,
    DATA,
    PSEUDO,
    RENEW,
    STORED,
    UPDATED,
    render,
    renderings,
    text_of,
)

OURS = {"AWS_REGION", f"{PREFIX}TARGET", f"{PREFIX}FLEET", f"{PREFIX}BUCKET", f"{PREFIX}BUCKET_OWNER"}
"""Variables that say where a worker runs. They have no default in the template."""


def _compute() -> Template:
    return Template(text_of("compute"))


def _lint(*templates: Path) -> str:
    """Return cfn-lint's output, including information."""
    program = Path(sys.executable).with_name("cfn-lint")
    # I3042: an ARN with a literal partition, which the list of buckets for links needs.
    command = [str(program), "--include-checks", "I", "--ignore-checks", "I3042", "--", *map(str, templates)]
    reports = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert reports.stderr == ""
    assert bool(reports.stdout) == bool(reports.returncode)
    return reports.stdout


def test_cfn_lint_finds_nothing(tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt.yaml"
    spoilt.write_text("Resources: { Cluster: { Type: AWS::ECS::Cluster, Properties: { ClusterNames: x } } }")
    right = [tmp_path / f"{name}.yaml" for name in ("data", "compute")]
    for path in right:
        path.write_text(text_of(path.stem), encoding="utf-8")
    reports = _lint(*right, spoilt)
    assert not [path for path in right if str(path) in reports]
    # The linter did run: it names the deliberate error.
    assert "ClusterNames" in reports


@pytest.mark.parametrize("name", ["data", "compute"])
def test_template_as_it_is_sent_fits_into_one_request_and_means_the_same(name: str) -> None:
    sent = without_comments(text_of(name))
    assert len(sent.encode()) <= LONGEST
    assert len(sent.splitlines()) < len(text_of(name).splitlines())
    assert loads(sent) == loads(text_of(name))


def test_renderings_equal_stored_ones() -> None:
    made, stored = renderings(), {path.name: path.read_text(encoding="utf-8") for path in STORED.iterdir()}
    changed = chain.from_iterable(
        difflib.unified_diff(stored.get(name, "").splitlines(), made.get(name, "").splitlines(), name, lineterm="", n=2)
        for name in sorted(made.keys() | stored.keys())
    )
    assert "\n".join(changed) == "", f"if this is what you meant: {RENEW}"


@pytest.mark.parametrize("fleet", ["aws-fleet", "ecs", "fargate1", "Upper", "a", "x" * 29, "under_score", "1st"])
def test_fleet_name_that_aws_would_refuse_is_refused_at_once(fleet: str) -> None:
    with pytest.raises(ApiError, match="Fleet"):
        render(_compute(), {**UPDATED, "Fleet": fleet})


@pytest.mark.parametrize(
    ("name", "value"),
    [("MaxInstances", "0"), ("OnDemandPercentage", "101"), ("StopSeconds", "111"), ("VolumeGiB", "8"), ("Slots", "0")],
)
def test_parameter_that_cannot_work_is_refused_at_once(name: str, value: str) -> None:
    with pytest.raises(ApiError, match=name):
        render(_compute(), {**UPDATED, name: value})


def test_worker_environment_names_existing_settings_with_their_defaults() -> None:
    known = {f"{PREFIX}{one.name.upper()}": one for one in fields(Settings)}
    resources = render(_compute(), UPDATED)
    for task in ("WorkerTask", "AnimotoTask"):
        (container,) = resources[task]["Properties"]["ContainerDefinitions"]
        given = {one["Name"]: one["Value"] for one in container["Environment"]}
        assert given.keys() >= OURS
        settings = Settings.from_environment(given)
        assert (settings.target, settings.region, settings.fleet) == ("aws", "eu-central-1", "cloudkon")
        assert settings.store_bucket == UPDATED["BucketName"]
        assert settings.bucket_owner == "123456789012"
        for name in given.keys() - OURS:
            field = known[name]
            assert getattr(settings, field.name) == field.default, name


def test_chosen_settings_reach_the_workers() -> None:
    resources = render(_compute(), {**COMPUTE["open"], "Slots": "3", "AnimotoSlots": "2", "MaxAttempts": "7"})
    found = {}
    for task in ("WorkerTask", "AnimotoTask"):
        (container,) = resources[task]["Properties"]["ContainerDefinitions"]
        found[task] = Settings.from_environment({one["Name"]: one["Value"] for one in container["Environment"]})
    worker, animoto = found["WorkerTask"], found["AnimotoTask"]
    assert (worker.slots, worker.allow_exec, worker.max_attempts, worker.link_buckets) == (3, True, 7, ())
    assert (animoto.slots, animoto.allow_exec, animoto.max_attempts) == (2, False, 7)
    assert animoto.link_buckets == ("pictures", "more-pictures")


def test_four_instance_types_are_used_in_order() -> None:
    for types in ("c7i.large", "c7i.large,m7i.large", "a,b,c", "c7i.large, c6i.large, m7i.large, m6i.large"):
        resources = render(_compute(), {**UPDATED, "InstanceTypes": types})
        group = resources["Group"]["Properties"]["MixedInstancesPolicy"]["LaunchTemplate"]
        wanted = [one.strip() for one in types.split(",")]
        assert [one["InstanceType"] for one in group["Overrides"]] == wanted
        assert resources["LaunchTemplate"]["Properties"]["LaunchTemplateData"]["InstanceType"] == wanted[0]


def test_pools_differ_only_in_names_sizes_and_store_permissions() -> None:
    resources = render(_compute(), COMPUTE["autoscaled"])
    for name in (
        "Repository",
        "Logs",
        "Service",
        "BacklogPolicy",
        "WakePolicy",
        "WakeAlarm",
        "HighWakeAlarm",
        "DeadLetterAlarm",
    ):
        worker, animoto = (str(resources[f"{pool}{name}"]) for pool in ("Worker", "Animoto"))
        as_worker = animoto.replace("Animoto", "Worker").replace("animoto", "worker")
        as_many = as_worker.replace("'TargetValue': '5'", "'TargetValue': '200'").replace("+ 5 * IF", "+ 200 * IF")
        assert as_many == worker, name


@pytest.mark.parametrize(
    ("partition", "suffix", "ec2"),
    [
        ("aws", "amazonaws.com", "ec2.amazonaws.com"),
        ("aws-us-gov", "amazonaws.com", "ec2.amazonaws.com"),
        ("aws-cn", "amazonaws.com.cn", "ec2.amazonaws.com.cn"),
    ],
)
def test_roles_and_arns_are_those_of_the_partition(partition: str, suffix: str, ec2: str) -> None:
    pseudo = {**PSEUDO, "AWS::Partition": partition, "AWS::URLSuffix": suffix}
    compute = render(_compute(), UPDATED, pseudo)
    data = render(Template(text_of("data")), DATA, pseudo)
    trusted = {
        name: one["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
        for name, one in compute.items()
        if one["Type"] == "AWS::IAM::Role"
    }
    assert trusted.pop("InstanceRole") == ec2
    assert set(trusted.values()) == {"ecs-tasks.amazonaws.com"}
    arns = re.findall(r"arn:([\w-]*):", str([compute, data]))
    assert set(arns) == {partition}


@pytest.mark.parametrize("name", ["data", "compute"])
def test_template_keeps_cloudformations_own_limits(name: str) -> None:
    """CloudFormation User Guide, CloudFormation quotas. It also shows question marks for characters beyond ASCII."""
    sent = without_comments(text_of(name))
    assert sent.isascii()
    body = loads(sent)
    assert len(body["Description"].encode()) <= 1_024
    assert len(body["Parameters"]) <= 200
    assert len(body["Resources"]) <= 500
    assert len(body.get("Outputs", {})) <= 200
    for parameter, declared in body["Parameters"].items():
        texts = [declared.get(text, "") for text in ("Description", "ConstraintDescription")]
        assert parameter.isalnum(), parameter
        assert max(map(len, texts)) <= 4_000, parameter
        assert len(str(declared.get("Default", "")).encode()) <= 4_096, parameter
    assert all(logical.isalnum() and len(logical) <= 255 for logical in body["Resources"])
