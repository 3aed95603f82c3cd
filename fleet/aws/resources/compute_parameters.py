"""Derives the compute template's parameters from the user's options and settings."""

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
"""AWS's public parameter that holds the newest AMI (ECS Developer Guide, retrieving ECS-optimized AMI metadata)."""
DEFAULT_ARCHITECTURE: Final = "x86_64"
DEFAULT_TYPES: Final = {"x86_64": "c7i.large", "arm64": "c7g.large"}
DEFAULT_INSTANCES: Final = 4
DEFAULT_VOLUME: Final = 30
MOST_STOP_SECONDS: Final = 110
"""Ten seconds less than the compute template's ``StopTimeout``."""

SETTINGS: Final = {
    "slots": "Slots",
    "lease_seconds": "LeaseSeconds",
    "skew_seconds": "SkewSeconds",
    "stop_seconds": "StopSeconds",
    "max_attempts": "MaxAttempts",
    "retry_seconds": "RetrySeconds",
    "task_timeout_seconds": "TaskTimeoutSeconds",
    "tasks_per_process": "TasksPerProcess",
    "allow_exec": "AllowExec",
    "link_buckets": "LinkBuckets",
    "log_level": "LogLevel",
}
"""Settings of workers on AWS, with the template's parameter for each."""
LISTS: Final = ("link_buckets",)
"""Settings for which an empty variable means an empty list."""
SIZES: Final = ("Cpu", "Memory")
SCALING: Final = ("Min", "Max", "PerWorker")
PARAMETERS: Final = frozenset(
    {
        *("Fleet", "BucketName", "VpcId", "SubnetIds", "Creating"),
        *("Architecture", "InstanceTypes", "AmiId", "MaxInstances", "OnDemandBase", "OnDemandPercentage", "VolumeGiB"),
        *("ExecuteCommand", "LogRetentionDays", "AlarmTopic", "AnimotoSlots", "PermissionsBoundary"),
        *SETTINGS.values(),
        *(parameter(pool, what) for pool in POOLS for what in ("Image", *SIZES, *SCALING)),
    }
)
"""All parameters of the template. A parameter without a value keeps its present one, or gets the default."""


def sizing_parameters(sizing: Sizing) -> dict[str, str]:
    """Return the parameters for the user's sizing options."""
    chosen: dict[str, object] = {
        "MaxInstances": sizing.max_instances,
        "OnDemandBase": sizing.on_demand_base,
        "OnDemandPercentage": None if sizing.spot is None else WHOLE - sizing.spot,
        "VolumeGiB": sizing.volume,
        "LogRetentionDays": sizing.log_days,
        "AlarmTopic": sizing.alarm_topic,
        "PermissionsBoundary": sizing.permissions_boundary,
        "ExecuteCommand": None if sizing.execute_command is None else str(sizing.execute_command).lower(),
        "InstanceTypes": ",".join(sizing.instance_types) or None,
    }
    for pool in POOLS:
        chosen[parameter(pool, "Cpu")] = sizing.cpu.get(pool.name)
        chosen[parameter(pool, "Memory")] = sizing.memory.get(pool.name)
    if sizing.architecture:
        chosen["Architecture"] = sizing.architecture
        chosen["AmiId"] = AMI_PARAMETER.format("arm64/" if sizing.architecture == "arm64" else "")
        chosen["InstanceTypes"] = chosen["InstanceTypes"] or DEFAULT_TYPES[sizing.architecture]
    return {name: str(value) for name, value in chosen.items() if value is not None}


def check_worker_settings(settings: Settings) -> None:
    """Raise ``InvalidInput`` for settings that are invalid only on AWS."""
    if settings.stop_seconds > MOST_STOP_SECONDS:
        raise InvalidInput(
            f"{PREFIX}STOP_SECONDS={settings.stop_seconds:g}",
            "on AWS a worker is killed after 120 s, and a Spot instance is terminated",
            f"Give at most {MOST_STOP_SECONDS}; unfinished work is released then",
        )


def worker_parameters(settings: Settings, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the parameters for the settings that the user chose: set by a variable, or different from the default.

    A command from a shell that does not set a variable must not reset that setting. An empty variable counts as unset,
    except where nothing else means "none".
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
    """Whether the user chose a setting that the queues' visibility depends on."""
    return bool({"LeaseSeconds", "SkewSeconds"} & worker_parameters(settings, environment).keys())


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(math.ceil(value)) if value == math.ceil(value) else str(value)
    return ",".join(value) if isinstance(value, tuple) else str(value)
