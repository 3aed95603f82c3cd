"""Reads the numbers of a pool's autoscaling from the compute template."""

import math
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, Final

import yaml  # type: ignore[import-untyped]  # it ships no types

from fleet.aws.resources.compute_parameters import DEFAULT_TYPES
from fleet.aws.resources.instance_types import InstanceType, Size

TEMPLATE: Final = Path(__file__).parents[2] / "fleet/templates/compute.yaml"
MACHINE: Final = InstanceType(DEFAULT_TYPES["x86_64"], 2, 4096)
"""The default instance type: 2 vCPUs, 4 GiB."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """The scaling of the pool ``worker``. Times are in seconds, ``target`` in messages for each ECS task.

    ``backlog`` and ``asleep`` are the metric math of the target tracking policy and of the wake alarm, ``holds`` is
    the number of ECS tasks that fit on an instance, ``step`` the most instances that managed scaling launches at once.
    """

    target: float
    out_cooldown: float
    in_cooldown: float
    backlog: str
    asleep: str
    wake_points: int
    wake_cooldown: float
    wake_adjustment: int
    holds: int
    step: float
    volume_gib: int


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # for the same reason
    """Reads CloudFormation's short tags: ``!Ref X`` is ``{"Ref": "X"}``."""


def _tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {suffix: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _tagged)


def read_scaling(**given: int) -> Scaling:
    """Read the scaling with these parameters of the template, and the others at their defaults."""
    body = yaml.load(TEMPLATE.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  (a SafeLoader)
    parameters = {name: one.get("Default") for name, one in body["Parameters"].items()} | given
    found = {name: one["Properties"] for name, one in body["Resources"].items()}

    def number(value: Any) -> float:  # noqa: ANN401  (any YAML value)
        return float(parameters[value["Ref"]] if isinstance(value, dict) else value)

    def expression(metrics: list[dict[str, Any]]) -> str:
        text = next(one["Expression"] for one in metrics if "Expression" in one)
        return text if isinstance(text, str) else Template(text["Sub"]).substitute(parameters)

    tracking = found["WorkerBacklogPolicy"]["TargetTrackingScalingPolicyConfiguration"]
    step = found["WorkerWakePolicy"]["StepScalingPolicyConfiguration"]
    alarm = found["WorkerWakeAlarm"]
    provider = found["CapacityProvider"]["AutoScalingGroupProvider"]["ManagedScaling"]
    task = Size(int(parameters["WorkerCpu"]), int(parameters["WorkerMemory"]))
    largest_step = provider["MaximumScalingStepSize"]
    return Scaling(
        target=number(tracking["TargetValue"]),
        out_cooldown=number(tracking["ScaleOutCooldown"]),
        in_cooldown=number(tracking["ScaleInCooldown"]),
        backlog=expression(tracking["CustomizedMetricSpecification"]["Metrics"]),
        asleep=expression(alarm["Metrics"]),
        wake_points=int(alarm["EvaluationPeriods"]),
        wake_cooldown=number(step["Cooldown"]),
        wake_adjustment=int(step["StepAdjustments"][0]["ScalingAdjustment"]),
        holds=MACHINE.size.holds(task),
        # With MaxInstances as the largest step, one step launches all missing instances.
        step=math.inf if largest_step == {"Ref": "MaxInstances"} else number(largest_step),
        volume_gib=int(parameters["VolumeGiB"]),
    )
