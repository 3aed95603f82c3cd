"""Runs a fleet on ministack's ECS, whose services start real containers on this machine's engine.

Direct calls make what the compute stack makes on AWS, since ministack's CloudFormation refuses capacity providers,
target tracking and some of the template's conditions. The stack itself has only the template's parameters and the log
groups; cluster, task definitions and services have the template's resolved properties.

Ministack receives all properties, but it ignores some. Of the task definition it ignores ``User``,
``ReadonlyRootFilesystem``, ``DockerSecurityOptions``, ``Capabilities: Drop``, ``InitProcessEnabled``, ``Cpu``,
``Memory``, ``Volumes`` of Docker's kind with their ``MountPoints``, ``HealthCheck`` (the image's own runs instead) and
``StopTimeout`` (always 5 s). Of the service, ``CapacityProviderStrategy`` needs no existing provider, and
``PlacementStrategies`` have no effect without instances. It has no agent endpoint, so nothing is protected from
scale-in.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import boto3
import trio

from cloudkon.aws import connect
from cloudkon.aws.connection import Connection
from cloudkon.aws.control_plane import ControlPlane
from cloudkon.aws.stack import Stack
from cloudkon.model import POOLS, WORKER
from cloudkon.settings import Settings
from fleet.aws.resources.names import compute_stack, log_group
from fleet.aws.target import AwsTarget
from fleet.provision import check_data, data_plan, stack_name
from fleet.status import FleetStatus
from tests.containers.composed import PATIENCE
from tests.containers.docker_cli import ROOT, docker, ended
from tests.fleet.double.property_coercion import request_from_properties
from tests.fleet.double.template import Scope, Template
from tests.support.template_rendering import text_of

ACCOUNT: Final = "000000000000"
"""Ministack's account for every access key that is not an account number."""
REGION: Final = "us-east-1"
SIGNATURE: Final = {"AWS_ACCESS_KEY_ID": "cloudkon", "AWS_SECRET_ACCESS_KEY": "cloudkon"}
"""Keys without a meaning. On AWS the containers get theirs from the task role; ministack offers it at an address that
botocore refuses for credentials, because it is neither loopback's nor ECS's."""
MACHINE_IMAGE: Final = "ami-of-nobody"
STOP_SECONDS: Final = 1
"""Ministack stops one container after the other and kills each 5 s after its SIGTERM."""
LEASE_SECONDS: Final = 8
SKEW_SECONDS: Final = 1
CHUNK: Final = 5
"""Tasks a message, since ministack takes some 20 ms for each message."""
LINES: Final = 100
"""Lines to read of each worker's log."""


@dataclass(frozen=True)
class EcsFleet:
    """One fleet on one ministack; ``image`` is the workers' image, ``directory`` the client's directory."""

    name: str
    endpoint: str
    image: str
    directory: Path

    @cached_property
    def settings(self) -> Settings:
        """The settings of the fleet's user."""
        return Settings(
            target="aws",
            fleet=self.name,
            endpoint_url=self.endpoint,
            region=REGION,
            bucket=f"{self.name}-store-{ACCOUNT}-{REGION}",
            bucket_owner=ACCOUNT,
            state_dir=self.directory / "state",
            lease_seconds=LEASE_SECONDS,
            skew_seconds=SKEW_SECONDS,
            stop_seconds=STOP_SECONDS,
        )

    @cached_property
    def template(self) -> Template:
        """The compute template."""
        return Template(text_of("compute"))

    @property
    def parameters(self) -> dict[str, str]:
        """The compute stack's parameters."""
        return {
            "Fleet": self.name,
            "BucketName": self.settings.store_bucket,
            "VpcId": "vpc-1",
            "SubnetIds": "subnet-1",
            "AmiId": f"/{self.name}/ami",
            "WorkerImage": self.image,
            "LeaseSeconds": str(LEASE_SECONDS),
            "SkewSeconds": str(SKEW_SECONDS),
            "StopSeconds": str(STOP_SECONDS),
            "Creating": "false",
        }

    def connection(self) -> Connection:
        """A connection to ministack, which stubs the calls about scaling by backlog that ministack lacks."""
        return Connection(self.settings, _session)

    def make(self) -> None:
        """Make the data stack by the product's own code, then everything that the fleet's commands need."""
        trio.run(self._make)

    def scale(self, count: int) -> list[str]:
        """Run ``fleet scale COUNT`` and return its progress messages."""
        messages: list[str] = []
        trio.run(AwsTarget(self.settings, self.connection()).scale, WORKER, count, messages.append)
        return messages

    def status(self) -> FleetStatus:
        """Run ``fleet status``."""
        return trio.run(AwsTarget(self.settings, self.connection()).status)

    def logs(self) -> list[tuple[str, str]]:
        """Run ``fleet logs`` and return each line with its ECS task."""
        found: list[tuple[str, str]] = []

        async def read() -> None:
            target = AwsTarget(self.settings, self.connection())
            await target.logs(WORKER, LINES, follow=False, write=lambda source, line: found.append((source, line)))

        trio.run(read)
        return found

    def containers(self, *more: str) -> list[str]:
        """The names of this fleet's running containers, or with ``--all`` of all its containers."""
        mine = f"--filter=label=com.amazonaws.ecs.cluster=arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{self.name}"
        return docker("ps", *more, mine, "--format={{.Names}}").split()

    def remove_containers(self) -> None:
        """Remove all containers of this fleet, in whatever state."""
        if left := self.containers("--all"):
            docker("rm", "--force", "--volumes", *left)

    def client(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m client ARGUMENTS``."""
        environment = {
            **SIGNATURE,
            **self.settings.to_environment(),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "client", *arguments]
        return ended(command, environment=environment, directory=self.directory, seconds=4 * PATIENCE)

    def push(self, *instructions: str) -> str:
        """Push instructions and return the run's id."""
        workload = self.directory / "workload.txt"
        workload.write_text("".join(f"{one}\n" for one in instructions))
        return self.client("push", "--chunk", str(CHUNK), str(workload)).stdout.split()[-1]

    def results(self, run: str) -> list[dict[str, Any]]:
        """Every recorded result of a run."""
        return [json.loads(line) for line in self.client("results", run, "--json").stdout.splitlines()]

    def workers_of(self, run: str) -> set[str]:
        """The workers that have recorded results of a run; asking the ledger directly is faster than a program."""

        async def read() -> set[str]:
            ledger = connect(self.settings, connection=self.connection()).ledger
            found = await ledger.read_run(run)
            assert found
            return {one.worker async for record in ledger.records(found) for one in record.progress.results}

        return trio.run(read)

    async def _make(self) -> None:
        connection = self.connection()
        data = Stack(connection, stack_name(self.settings))
        await data.execute(await data_plan(data, self.settings), _discard)
        await check_data(connection, self.settings)
        ask = partial(ControlPlane(connection).call)
        await ask("ssm", "put_parameter", Name=self.parameters["AmiId"], Value=MACHINE_IMAGE, Type="String")
        compute = Stack(connection, compute_stack(self.name))
        await compute.execute(await compute.plan(self._reduced(), self.parameters), _discard)
        resources = self._resolved()
        cluster = resources["Cluster"]
        await ask("ecs", "create_cluster", **request_from_properties("ecs", "CreateCluster", _named(cluster)))
        for pool in POOLS:
            title = pool.name.capitalize()
            await ask("ecs", "register_task_definition", **self._definition(resources[f"{title}Task"]))
            service = request_from_properties("ecs", "CreateService", _named(resources[f"{title}Service"]))
            await ask("ecs", "create_service", **service)

    def _reduced(self) -> str:
        """The template reduced to its parameters and the log groups."""
        kept = {name: self.template.resources[name] for name in ("WorkerLogs", "AnimotoLogs")}
        return json.dumps({"Parameters": self.template.body["Parameters"], "Resources": kept})

    def _resolved(self) -> dict[str, Any]:
        """The properties of the resources that direct calls make, by logical id."""
        # Only when the stack is created does the template set the services' counts, to 0.
        given = self.template.parameters(self.parameters | {"Creating": "true"})
        scope = Scope(self.template, given, {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT})
        names = {
            "Cluster": self.name,
            "CapacityProvider": f"{self.name}-capacity",
            **{f"{pool.name.capitalize()}Logs": log_group(self.name, pool) for pool in POOLS},
            **{f"{pool.name.capitalize()}Task": f"{self.name}-{pool.name}" for pool in POOLS},
        }

        def made(logical: str, attribute: str) -> str:
            return f"arn:aws:iam::{ACCOUNT}:role/{logical}" if attribute == "Arn" else names[logical]

        wanted = ("Cluster", "WorkerTask", "AnimotoTask", "WorkerService", "AnimotoService")
        return {name: scope.resolve(self.template.resources[name]["Properties"], made) for name in wanted}

    def _definition(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """A request for the task definition, whose containers get keys without a meaning."""
        request = request_from_properties("ecs", "RegisterTaskDefinition", {**properties})
        request["containerDefinitions"][0]["environment"] += [
            {"name": name, "value": value} for name, value in SIGNATURE.items()
        ]
        return request


def _named(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Rename the properties whose names differ between CloudFormation and ECS to ECS's names."""
    other = {"ClusterSettings": "settings", "PlacementStrategies": "placementStrategy"}
    return {other.get(name, name): value for name, value in properties.items()}


def _session() -> boto3.Session:
    session = boto3.Session(
        aws_access_key_id=SIGNATURE["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=SIGNATURE["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
    # Application Auto Scaling's response for a service that was never registered.
    asked = "before-call.application-auto-scaling.DescribeScalableTargets"
    session.events.register(asked, _no_scalable_target)  # type: ignore[arg-type]  # the type stubs have no hook that returns a response
    return session


def _no_scalable_target(**_: object) -> tuple[SimpleNamespace, dict[str, Any]]:
    answer = {"ScalableTargets": [], "ResponseMetadata": {"HTTPStatusCode": 200, "RetryAttempts": 0}}
    return SimpleNamespace(status_code=200, headers={}), answer


def _discard(_: str) -> None:
    """Discard a progress message."""
