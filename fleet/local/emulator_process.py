"""Starts the emulator (ministack), which answers for SQS, DynamoDB, S3 and CloudFormation on this machine."""

import os
import socket
from pathlib import Path
from typing import Final

import trio

from cloudkon.aws.server_proof import UnprovenServer, check_server

from .command_lines import ProcessCommand
from .emulator_installation import interpreter
from .emulator_server import interface
from .listener import HOST, port_of
from .state_dir import StateDir

NAME: Final = "emulator"
GRACE_SECONDS: Final = 120.0
"""From SIGTERM to SIGKILL. The emulator takes 3 s if a client waits in a long poll, then ends when its state is saved:
100,000 messages take 15 s on a busy machine. A shorter grace would lose what was not saved yet."""
HEALTH_SECONDS: Final = 2.0
"""The timeout of one health request."""
LOOK_SECONDS: Final = 0.1
KEPT_VARIABLES: Final = ("HOME", "LANG", "LC_ALL", "PATH")
"""The only variables of the user that it gets: their AWS, proxy, Python and emulator settings are not meant for it."""
_START: Final = (
    "import runpy, sys; sys.path.append(sys.argv.pop()); "
    "runpy.run_module('fleet.local.emulator_server', run_name='__main__')"
)
"""Python code. Our packages come last on the path, so that the emulator finds the versions that it pins."""


def server_arguments(python: Path) -> tuple[str, ...]:
    """Return the command line of our server with the emulator inside; ``python`` is the one that has the emulator."""
    return (str(python), "-P", "-c", _START, str(Path(__file__).parents[2]))


def server_environment(port: int, secret: str, host: str = HOST) -> dict[str, str]:
    """Return the variables that every server needs, apart from its directories."""
    return {
        interface.HOST: host,
        interface.PORT: str(port),
        interface.SECRET: secret,
        "SERVICES": ",".join(interface.SERVICES),
        # A function runs in a container or not at all, and there are no containers.
        "LAMBDA_STRICT": "1",
        # Listeners for other services, on ports of their own.
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }


def emulator_command(state_dir: StateDir, listener: socket.socket, secret: str) -> ProcessCommand:
    """Return how the emulator is started. It accepts connections from ``listener``.

    It saves the state of all its services every few seconds and on SIGTERM, and reads the last saved state at its next
    start. It writes stored objects at once. On SIGKILL, messages and ledger items of the last seconds are lost.
    """
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ} | {
        **server_environment(port_of(listener), secret),
        interface.LISTENER: str(listener.fileno()),
        "PERSIST_STATE": "1",
        # Where older releases kept the state. It is read if there are no snapshots.
        interface.STATE_DIR: str(state_dir.data / "state"),
        interface.SNAPSHOTS: str(state_dir.snapshots),
        "S3_PERSIST": "1",
        interface.OBJECTS_DIR: str(state_dir.data / "objects"),
        interface.SCRATCH_DIR: str(state_dir.scratch),
        # The emulator removes containers that look like its own from any engine that it finds. Let it find none.
        "DOCKER_HOST": f"unix://{state_dir.scratch}/no-docker.sock",
    }
    arguments = server_arguments(interpreter(state_dir))
    log = state_dir.logs / f"{NAME}.log"
    return ProcessCommand(NAME, arguments, environment, state_dir.path, log, (listener.fileno(),))


def url(port: int) -> str:
    """Return the emulator's address."""
    return f"http://{HOST}:{port}"


async def wait_until_healthy(port: int, secret: str) -> None:
    """Wait until the emulator answers, and proves that it knows the secret."""
    while True:
        if await trio.to_thread.run_sync(_answers, port, secret, abandon_on_cancel=True):
            return
        await trio.sleep(LOOK_SECONDS)


def _answers(port: int, secret: str) -> bool:
    try:
        with socket.create_connection((HOST, port), HEALTH_SECONDS) as connection:
            check_server(connection, secret, HEALTH_SECONDS)
            return True
    except (OSError, UnprovenServer):
        return False


def can_not_prove(port: int, secret: str) -> bool:
    """Whether something answers on the port that does not know how to prove the secret: an older release's emulator."""
    try:
        with socket.create_connection((HOST, port), HEALTH_SECONDS) as connection:
            check_server(connection, secret, HEALTH_SECONDS)
    except UnprovenServer:
        return True
    except OSError:  # it is being started, or it is busy
        pass
    return False
