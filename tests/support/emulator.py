"""Starts the embedded emulator for tests, and deploys a fleet's data stack to it.

    with emulator() as endpoint:
        settings = deploy(endpoint, "some-fleet")

The executable is ``CLOUDKON_EMULATOR``, else the one that ``python -m fleet up`` installs in this checkout. Without
either, the test is skipped; it fails where ``CI`` is true.
"""

import os
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import boto3
import docker
import pytest
from botocore.config import Config

from cloudkon.aws.sessions import EMULATOR_ACCESS_KEY
from cloudkon.settings import ANY_SECRET, Settings
from fleet.local.emulator_installation import interpreter_of
from fleet.local.emulator_process import server_arguments, server_environment

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import WaiterConfigTypeDef

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / ".cloudkon/emulator/venv/bin/ministack"
TEMPLATE = ROOT / "fleet/templates/data.yaml"
LOOPBACK = "127.0.0.1"
START_SECONDS = 120
"""How long a start may take while other tests use the machine."""
STOP_SECONDS = 10


def executable() -> Path:
    """Return the emulator's executable; skip or fail the test if it is missing."""
    found = Path(os.environ.get("CLOUDKON_EMULATOR") or INSTALLED)
    if not found.exists():
        missing(f"no emulator: {found} doesn't exist; set CLOUDKON_EMULATOR, or install it with: python -m fleet up")
    return found


def missing(reason: str) -> NoReturn:
    """Skip the test for a missing back end; fail in CI, where no test may be skipped unnoticed."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@contextmanager
def emulator(host: str = LOOPBACK, *, with_engine: bool = False) -> Iterator[str]:
    """Run an emulator on a free port of ``host``, with its files in a temporary directory; yield its address.

    It is started as a local fleet's is, with ``ANY_SECRET`` as its secret, and saves no state. ``with_engine`` starts
    ministack as it is, with all services, and lets its ECS start containers on this machine's Docker engine. The caller
    removes them.
    """
    command = _command_with_engine() if with_engine else server_arguments(interpreter_of(executable()))
    with tempfile.TemporaryDirectory(prefix="cloudkon-emulator-") as directory:
        port = _free_port(host)
        endpoint = f"http://{host}:{port}"
        log = Path(directory, "emulator.log")
        environment = _environment(directory, host, port) | (
            {} if with_engine else server_environment(port, ANY_SECRET, host)
        )
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=directory, env=environment, stdout=output, stderr=output)
        try:
            _wait_until_healthy(endpoint, process, log)
            yield endpoint
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def deploy(endpoint: str, fleet: str) -> Settings:
    """Create the fleet's queues, table and bucket as ``fleet up`` does; return the settings that reach them."""
    settings = Settings(fleet=fleet, target="docker", endpoint_url=endpoint)
    cloudformation = boto3.client(
        "cloudformation",
        endpoint_url=endpoint,
        region_name=settings.region,
        aws_access_key_id=EMULATOR_ACCESS_KEY,
        aws_secret_access_key=ANY_SECRET,
        config=Config(proxies={}),
    )
    stack, changes = f"{fleet}-data", "first"
    cloudformation.create_change_set(
        StackName=stack,
        ChangeSetName=changes,
        ChangeSetType="CREATE",
        TemplateBody=TEMPLATE.read_text(),
        Parameters=[
            {"ParameterKey": "Fleet", "ParameterValue": fleet},
            {"ParameterKey": "BucketName", "ParameterValue": settings.store_bucket},
            {"ParameterKey": "VisibilitySeconds", "ParameterValue": str(int(settings.visibility_seconds))},
        ],
    )
    often: WaiterConfigTypeDef = {"Delay": 1, "MaxAttempts": 60}
    cloudformation.get_waiter("change_set_create_complete").wait(
        StackName=stack, ChangeSetName=changes, WaiterConfig=often
    )
    cloudformation.execute_change_set(StackName=stack, ChangeSetName=changes)
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig=often)
    return settings


def _command_with_engine() -> list[str | Path]:
    """Start it with Docker's SDK, which its lock file omits: this environment's SDK, after its own libraries."""
    start = "import sys; sys.path.append(sys.argv.pop()); from ministack.app import main; main()"
    return [executable().with_name("python"), "-c", start, Path(docker.__file__).parents[1]]


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _environment(directory: str, host: str, port: int) -> dict[str, str]:
    engine = {"DOCKER_HOST": os.environ["DOCKER_HOST"]} if "DOCKER_HOST" in os.environ else {}
    return {
        **engine,
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": directory,
        "TMPDIR": directory,
        "BIND_HOST": host,
        "GATEWAY_PORT": str(port),
        "PERSIST_STATE": "0",
        "STATE_DIR": directory,
        "S3_DATA_DIR": f"{directory}/s3",
        "LOG_LEVEL": "WARNING",
    }


def _wait_until_healthy(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with opener.open(f"{endpoint}/_ministack/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"the emulator did not start:\n{log.read_text(errors='replace')[-2000:]}", pytrace=False)
