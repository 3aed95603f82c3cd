"""Sizing: the compute template's parameters that follow from what a user chose."""

import math
import os
from collections.abc import Mapping
from typing import Final

from cloudkon.errors import InvalidInput
from cloudkon.model import POOLS
from cloudkon.settings import PREFIX, Settings

from ...target_options import WHOLE, Sizing
from .names import parameter

AMI_PARAMETER: Final = "/aws/service/ecs/optimized-ami/amazon-linux-2023/{}recommended/image_id"
"""AWS's public parameter that names the newest image (ECS Developer Guide, retrieving ECS-optimized AMI metadata)."""
DEFAULT_TYPES: Final = {"x86_64": "c7i.large", "arm64": "c7g.large"}
DEFAULT_INSTANCES: Final = 4
DEFAULT_VOLUME: Final = 30
MOST_STOP_SECONDS: Final = 110
"""Ten less than the compute template's ``StopTimeout``."""

SETTINGS: Final = {
    "slots": "Slots",
    "lease_seconds": "LeaseSeconds",
    "skew_seconds": "SkewSeconds",
    "stop_seconds": "StopSeconds",
    "max_attempts": "MaxAttempts",
    "retry_seconds": "RetrySeconds",
    "task_timeout_seconds": "TaskTimeoutSeconds",
    "allow_exec": "AllowExec",
    "link_buckets": "LinkBuckets",
    "log_level": "LogLevel",
}
"""Settings that workers on AWS get, by the template's parameters for them."""
LISTS: Final = ("link_buckets",)
"""Those of which an empty variable means that there are none."""
SIZES: Final = ("Cpu", "Memory")
SCALING: Final = ("Min", "Max", "PerWorker")
PARAMETERS: Final = frozenset(
    {
        *("Fleet", "BucketName", "VpcId", "SubnetIds", "Creating"),
        *("Architecture", "InstanceTypes", "AmiId", "MaxInstances", "OnDemandBase", "OnDemandPercentage", "VolumeGiB"),
        *("ExecuteCommand", "LogRetentionDays", "AlarmTopic", "AnimotoSlots"),
        *SETTINGS.values(),
        *(parameter(pool, what) for pool in POOLS for what in ("Image", *SIZES, *SCALING)),
    }
)
"""All of the template's. What is not given keeps the value that it has, or gets the template's default."""


def sizing_parameters(sizing: Sizing) -> dict[str, str]:
    """The parameters that follow from what was said about the machines."""
    said: dict[str, object] = {
        "MaxInstances": sizing.max_instances,
        "OnDemandBase": sizing.on_demand_base,
        "OnDemandPercentage": None if sizing.spot is None else WHOLE - sizing.spot,
        "VolumeGiB": sizing.volume,
        "LogRetentionDays": sizing.log_days,
        "AlarmTopic": sizing.alarm_topic,
        "ExecuteCommand": None if sizing.execute_command is None else str(sizing.execute_command).lower(),
        "InstanceTypes": ",".join(sizing.instance_types) or None,
    }
    for pool in POOLS:
        said[parameter(pool, "Cpu")] = sizing.cpu.get(pool.name)
        said[parameter(pool, "Memory")] = sizing.memory.get(pool.name)
    if sizing.architecture:
        said["Architecture"] = sizing.architecture
        said["AmiId"] = AMI_PARAMETER.format("arm64/" if sizing.architecture == "arm64" else "")
        said["InstanceTypes"] = said["InstanceTypes"] or DEFAULT_TYPES[sizing.architecture]
    return {name: str(value) for name, value in said.items() if value is not None}


def check_worker_settings(settings: Settings) -> None:
    """Raise ``InvalidInput`` for settings that workers on AWS can't have, though others can."""
    if settings.stop_seconds > MOST_STOP_SECONDS:
        raise InvalidInput(
            f"{PREFIX}STOP_SECONDS={settings.stop_seconds:g}",
            "on AWS a worker is killed after 120 s, and a Spot instance is gone",
            f"Give at most {MOST_STOP_SECONDS}; what has not ended by then is given back",
        )


def worker_parameters(settings: Settings, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The parameters for the settings that somebody chose: by a variable, or away from the default.

    A command in a shell that says nothing of a setting must not put it back. An empty variable says nothing either, but
    where there is no other way to say "none".
    """
    environment = os.environ if environment is None else environment
    default = Settings()
    return {
        name: _text(getattr(settings, one))
        for one, name in SETTINGS.items()
        if environment.get(PREFIX + one.upper())
        or (one in LISTS and PREFIX + one.upper() in environment)
        or getattr(settings, one) != getattr(default, one)
    }


def lease_is_chosen(settings: Settings, environment: Mapping[str, str] | None = None) -> bool:
    """Whether somebody chose what the queues' visibility follows from."""
    return bool({"LeaseSeconds", "SkewSeconds"} & worker_parameters(settings, environment).keys())


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(math.ceil(value)) if value == math.ceil(value) else str(value)
    return ",".join(value) if isinstance(value, tuple) else str(value)
