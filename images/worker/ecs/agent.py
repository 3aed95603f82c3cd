"""Calls the two endpoints that the ECS agent offers each container: its task's metadata and its protection.

Facts from the Amazon ECS Developer Guide: "task metadata endpoint version 4" and "task scale-in protection endpoint".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import trio

from cloudkon.errors import CloudKonError

TIMEOUT_SECONDS: Final = 10.0
"""The agent passes a protection request on to ECS's API, and answers after ECS has answered."""
BLOCKED: Final = "DEPLOYMENT_BLOCKED"
"""The reason with which protection is refused to an ECS task that a deployment is about to replace."""


class AgentFault(CloudKonError):
    """A request to the agent failed; ``reason`` is the agent's code, such as ``DEPLOYMENT_BLOCKED``."""

    def __init__(self, reason: str, detail: str = "") -> None:
        """``detail`` is the agent's explanation of the code."""
        super().__init__(f"the ECS agent: {reason}" + (f", {detail}" if detail else ""))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class EcsTask:
    """The names of an ECS task, for logs."""

    cluster: str
    task: str
    family: str
    revision: str

    def facts(self) -> dict[str, str]:
        """Return the fields that each line of the log has."""
        return {"cluster": self.cluster, "ecs_task": self.task, "ecs_definition": f"{self.family}:{self.revision}"}


class Agent:
    """The ECS agent of this container."""

    def __init__(self, address: str, metadata_address: str) -> None:
        """``address`` is the base URL of the agent's API; ``metadata_address`` ends with this container's id."""
        self._address = address
        self._metadata_address = metadata_address

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Self | None:
        """Return the agent whose addresses ECS has put into the environment; ``None`` outside of ECS."""
        address, metadata = environment.get("ECS_AGENT_URI"), environment.get("ECS_CONTAINER_METADATA_URI_V4")
        return cls(address, metadata) if address and metadata else None

    async def task(self) -> EcsTask:
        """Return the names of this container's ECS task. Raises ``AgentFault``."""
        answer = await self._request("GET", f"{self._metadata_address}/task")
        return EcsTask(
            # The agent reports the cluster's name or its ARN, depending on how it was started.
            cluster=str(answer.get("Cluster", "")).rpartition("/")[2],
            task=str(answer.get("TaskARN", "")).rpartition("/")[2],
            family=str(answer.get("Family", "")),
            revision=str(answer.get("Revision", "")),
        )

    async def protect(self, minutes: int) -> None:
        """Protect this ECS task from scale-in and deployments for ``minutes`` (1 to 2880). Raises ``AgentFault``."""
        await self._set_protection({"ProtectionEnabled": True, "ExpiresInMinutes": minutes})

    async def expose(self) -> None:
        """End the protection. Raises ``AgentFault``."""
        await self._set_protection({"ProtectionEnabled": False})

    async def _set_protection(self, wanted: dict[str, Any]) -> None:
        answer = await self._request("PUT", f"{self._address}/task-protection/v1/state", wanted)
        # A refusal comes as HTTP 200 with "failure" in the body, an error as "error" with 4xx or 5xx.
        if failure := answer.get("failure"):
            raise AgentFault(str(failure.get("Reason", "refused")), str(failure.get("Detail", "")))
        if "protection" not in answer:
            raise AgentFault("the answer has no protection state")

    async def _request(self, method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return await trio.to_thread.run_sync(_answer, method, url, body, abandon_on_cancel=True)


def _answer(method: str, url: str, body: dict[str, Any] | None) -> dict[str, Any]:
    import requests  # noqa: PLC0415  (a tenth of a second, for workers on ECS only)

    session = requests.Session()
    # A proxy that the environment names can't reach a link-local address.
    session.trust_env = False
    try:
        with session, session.request(method, url, json=body, timeout=TIMEOUT_SECONDS) as response:
            answer: Any = response.json()
    except (requests.RequestException, ValueError) as error:
        raise AgentFault("no readable answer", str(error)) from error
    if not isinstance(answer, dict):
        raise AgentFault("the answer is not an object", str(answer)[:200])
    if not response.ok:
        fault = answer.get("error", {})
        raise AgentFault(str(fault.get("Code", f"HTTP {response.status_code}")), str(fault.get("Message", "")))
    return answer
