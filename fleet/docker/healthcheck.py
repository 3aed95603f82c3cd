"""Answering: whether an endpoint that stands in for AWS answers, and is ready for work."""

from typing import Final

import requests
import trio

HEALTH_SECONDS: Final = 2.0
"""How long one question may take."""
LOOK_SECONDS: Final = 0.25
READY_PATH: Final = "/_localstack/init/ready"


async def is_ready(endpoint_url: str) -> bool:
    """Whether it answers; a LocalStack also has to say that its start is complete."""
    return await trio.to_thread.run_sync(_ask, endpoint_url, abandon_on_cancel=True)


async def wait_until_ready(endpoint_url: str) -> None:
    """Wait until it is ready."""
    while not await is_ready(endpoint_url):  # noqa: ASYNC110  (what is waited for is outside this process)
        await trio.sleep(LOOK_SECONDS)


def _ask(endpoint_url: str) -> bool:
    with requests.Session() as session:
        # A proxy of the environment can't reach loopback or a container's network.
        session.trust_env = False
        try:
            answer = session.get(endpoint_url.rstrip("/") + READY_PATH, timeout=HEALTH_SECONDS)
        except requests.RequestException:
            return False
    try:
        said = answer.json()
    except ValueError:
        said = None
    # Whatever has no such page is no LocalStack, and can't say more than that it answers.
    return bool(said.get("completed", True)) if answer.ok and isinstance(said, dict) else True
