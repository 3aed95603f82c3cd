"""Checks whether an endpoint that replaces AWS answers and is ready for work."""

from typing import Final

import requests
import trio

HEALTH_SECONDS: Final = 2.0
"""The timeout of one request."""
LOOK_SECONDS: Final = 0.25
READY_PATH: Final = "/_localstack/init/ready"


async def is_ready(endpoint_url: str) -> bool:
    """Whether the endpoint answers; a LocalStack must also report that its start is complete."""
    return await trio.to_thread.run_sync(_is_ready, endpoint_url, abandon_on_cancel=True)


async def wait_until_ready(endpoint_url: str) -> None:
    """Wait until the endpoint is ready."""
    while not await is_ready(endpoint_url):  # noqa: ASYNC110  (the endpoint is outside this process)
        await trio.sleep(LOOK_SECONDS)


def _is_ready(endpoint_url: str) -> bool:
    with requests.Session() as session:
        # A proxy from the environment can't reach loopback or a container's network.
        session.trust_env = False
        try:
            answer = session.get(endpoint_url.rstrip("/") + READY_PATH, timeout=HEALTH_SECONDS)
        except requests.RequestException:
            return False
    try:
        status = answer.json()
    except ValueError:
        status = None
    # An endpoint without this page is not a LocalStack, and an answer is all that can be expected of it.
    return bool(status.get("completed", True)) if answer.ok and isinstance(status, dict) else True
