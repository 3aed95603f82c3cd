"""Both templates, as they are sent, against AWS's own validator: its schemas and rules, not ours."""

from typing import Final

import pytest
from cloudformation_validate import CompositeEngine, TemplateContent  # type: ignore[import-untyped]  # it ships no types

from cloudkon.aws.stack_template import with_tags, without_comments
from tests.support.template_rendering import text_of

IGNORED: Final = {
    "I4010": "metadata that describes an architecture to other tools",
    "I9001": "says that a change would replace the resource: names and the like are meant to stay",
    "I9040": "tags come from the stack",
    "W1030": "an empty default, where a condition leaves the property out",
}
"""Rules that are not followed, each with the reason."""


@pytest.fixture(scope="module")
def engine() -> CompositeEngine:
    return CompositeEngine()


def _findings(engine: CompositeEngine, text: str) -> list[str]:
    report = engine.validate_template(TemplateContent(text, "template.yaml"))
    return [f"{one.rule_id}: {one.message}" for one in report.diagnostics if one.rule_id not in IGNORED]


@pytest.mark.parametrize("name", ["data", "compute"])
def test_aws_validator_finds_nothing(engine: CompositeEngine, name: str) -> None:
    sent = with_tags(without_comments(text_of(name)), {"team": "render"})
    assert _findings(engine, sent) == []


@pytest.mark.parametrize(
    ("name", "right", "wrong", "rule"),
    [
        ("compute", "NetworkMode: bridge", "NetworkMode: bridged", "W3030"),
        ("compute", "ClusterName: !Ref Fleet", "ClusterNames: !Ref Fleet", "F3002"),
        ("compute", "StopTimeout: 120", "StopTimeout: long", "F3012"),
        ("compute", "!GetAtt InstanceProfile.Arn", "!GetAtt InstanceProfile.Name", "E9004"),
        ("data", "MessageRetentionPeriod: 1209600", "MessageRetentionPeriod: 1209601", "F3034"),
    ],
)
def test_planted_fault_is_found(engine: CompositeEngine, name: str, right: str, wrong: str, rule: str) -> None:
    assert right in text_of(name)
    spoilt = without_comments(text_of(name)).replace(right, wrong)
    assert {one.partition(":")[0] for one in _findings(engine, spoilt)} == {rule}


def test_each_ignored_rule_still_finds_something(engine: CompositeEngine) -> None:
    found = {
        one.rule_id
        for name in ("data", "compute")
        for one in engine.validate_template(TemplateContent(text_of(name), name)).diagnostics
    }
    assert found == IGNORED.keys()
