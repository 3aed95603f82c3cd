"""Runs ministack, the emulator that answers for SQS, DynamoDB, S3 and CloudFormation on this machine."""

import http.client
import os
import socket
from typing import Final

import trio

from .command_lines import ProcessCommand
from .emulator_installation import program
from .state_dir import StateDir

HOST: Final = "127.0.0.1"
"""Loopback only: the emulator asks for no credentials, so other machines must not reach it."""
NAME: Final = "emulator"
GRACE_SECONDS: Final = 15.0
"""From SIGTERM to SIGKILL: the emulator takes 3 s if a client waits in a long poll, then saves its state."""
HEALTH_SECONDS: Final = 2.0
"""The timeout of one health request."""
LOOK_SECONDS: Final = 0.1
KEPT_VARIABLES: Final = ("HOME", "LANG", "LC_ALL", "PATH")
"""The only variables of the user that it gets: their AWS, proxy, Python and emulator settings are not meant for it."""


def emulator_command(state_dir: StateDir, port: int) -> ProcessCommand:
    """Return how the emulator is started.

    On SIGTERM it saves the state of all its services in ``STATE_DIR``, and reads it at its next start. It writes stored
    objects at once. On SIGKILL, messages and ledger items since its last orderly exit are lost.
    """
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ} | {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state_dir.data / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state_dir.data / "objects"),
        "TMPDIR": str(state_dir.scratch),
        "LOG_LEVEL": "WARNING",
        # Listeners for other services, on ports of their own.
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        # The emulator removes containers that look like its own from any engine that it finds. Let it find none.
        "DOCKER_HOST": f"unix://{state_dir.scratch}/no-docker.sock",
    }
    return ProcessCommand(NAME, program(state_dir), environment, state_dir.path, state_dir.logs / f"{NAME}.log")


def url(port: int) -> str:
    """Return the emulator's address."""
    return f"http://{HOST}:{port}"


def choose_port(before: int) -> int:
    """Return the port of the last start if it is free, else any free port."""
    for port in (before, 0):
        with socket.socket() as listener:
            # The emulator's listener does the same: a port whose last connections are in TIME_WAIT counts as free.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, port))
            except OSError:
                continue
            return int(listener.getsockname()[1])
    raise OSError("no port is free on loopback")


async def wait_until_healthy(port: int) -> None:
    """Wait until the emulator answers."""
    while True:
        if await trio.to_thread.run_sync(_answers, port, abandon_on_cancel=True):
            return
        await trio.sleep(LOOK_SECONDS)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=HEALTH_SECONDS)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
