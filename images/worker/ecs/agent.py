"""Agent: the two doors that ECS's container agent opens to each container, its own task's data and its protection.

Facts from the Amazon ECS Developer Guide: "task metadata endpoint version 4" and "task scale-in protection endpoint".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import trio

from cloudkon.errors import CloudKonError

TIMEOUT_SECONDS: Final = 10.0
"""The agent passes protection on to ECS's API, and answers when that has answered."""
BLOCKED: Final = "DEPLOYMENT_BLOCKED"
"""Why protection is refused to an ECS task that a deployment is about to replace."""


class AgentFault(CloudKonError):
    """The agent did not do as asked; ``reason`` is its own code, such as ``DEPLOYMENT_BLOCKED``."""

    def __init__(self, reason: str, detail: str = "") -> None:
        """``detail`` is what it said beside the code."""
        super().__init__(f"the ECS agent: {reason}" + (f", {detail}" if detail else ""))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class EcsTask:
    """Which ECS task this is: names for logs."""

    cluster: str
    task: str
    family: str
    revision: str

    def facts(self) -> dict[str, str]:
        """What each line of the log carries."""
        return {"cluster": self.cluster, "ecs_task": self.task, "ecs_definition": f"{self.family}:{self.revision}"}


class Agent:
    """The agent of this container's instance."""

    def __init__(self, address: str, metadata_address: str) -> None:
        """``address`` ends where the paths of the agent's API begin, ``metadata_address`` in this container's id."""
        self._address = address
        self._metadata_address = metadata_address

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Self | None:
        """The agent whose addresses ECS has put into the environment; ``None`` outside of ECS."""
        address, metadata = environment.get("ECS_AGENT_URI"), environment.get("ECS_CONTAINER_METADATA_URI_V4")
        return cls(address, metadata) if address and metadata else None

    async def task(self) -> EcsTask:
        """Which ECS task this is. Raises ``AgentFault``."""
        found = await self._ask("GET", f"{self._metadata_address}/task")
        return EcsTask(
            # The agent gives the cluster's name or its ARN, whichever it was started with.
            cluster=str(found.get("Cluster", "")).rpartition("/")[2],
            task=str(found.get("TaskARN", "")).rpartition("/")[2],
            family=str(found.get("Family", "")),
            revision=str(found.get("Revision", "")),
        )

    async def protect(self, minutes: int) -> None:
        """Ask that neither scale-in nor a deployment stops this ECS task for so long (1 to 2880).

        Raises ``AgentFault``.
        """
        await self._set_protection({"ProtectionEnabled": True, "ExpiresInMinutes": minutes})

    async def expose(self) -> None:
        """Give the protection up. Raises ``AgentFault``."""
        await self._set_protection({"ProtectionEnabled": False})

    async def _set_protection(self, wanted: dict[str, Any]) -> None:
        answer = await self._ask("PUT", f"{self._address}/task-protection/v1/state", wanted)
        # A refusal comes as HTTP 200 with "failure" in the body, an error as "error" with 4xx or 5xx.
        if failure := answer.get("failure"):
            raise AgentFault(str(failure.get("Reason", "refused")), str(failure.get("Detail", "")))
        if "protection" not in answer:
            raise AgentFault("an answer that says nothing of protection")

    async def _ask(self, method: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return await trio.to_thread.run_sync(_answer, method, url, body, abandon_on_cancel=True)


def _answer(method: str, url: str, body: dict[str, Any] | None) -> dict[str, Any]:
    import requests  # noqa: PLC0415  (a tenth of a second, for workers on ECS only)

    session = requests.Session()
    # A proxy of the environment can't reach a link-local address.
    session.trust_env = False
    try:
        with session, session.request(method, url, json=body, timeout=TIMEOUT_SECONDS) as response:
            answer: Any = response.json()
    except (requests.RequestException, ValueError) as error:
        raise AgentFault("no answer that can be read", str(error)) from error
    if not isinstance(answer, dict):
        raise AgentFault("an answer of another kind", str(answer)[:200])
    if not response.ok:
        told = answer.get("error", {})
        raise AgentFault(str(told.get("Code", f"HTTP {response.status_code}")), str(told.get("Message", "")))
    return answer
