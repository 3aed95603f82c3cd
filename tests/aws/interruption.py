"""Interrupts one Spot instance by AWS Fault Injection Service (FIS), as EC2 does when it needs the capacity."""

from collections.abc import Callable
from typing import Any, Final

from cloudkon.errors import ServiceError
from tests.aws.account_session import AccountSession
from tests.aws.journal import FLEET_TAG
from tests.aws.service_roles import EXPERIMENTS, ensure_role

NEW_ROLE_SECONDS: Final = 15.0
"""How long a new service-linked role is given before it is used."""
POLL_SECONDS: Final = 10.0
EXPERIMENT_SECONDS: Final = 900.0
RUNNING: Final = ("pending", "initiating", "running")


def template_request(session: AccountSession, fleet: str, role: str, instance: str) -> dict[str, Any]:
    """Return the request that creates the experiment's template.

    The instance is named by its ARN: the tagging service, which FIS asks for tags, lists new instances late. Two
    minutes are the least, and what EC2 gives (AWS FIS Actions reference, aws:ec2:send-spot-instance-interruptions; AWS
    FIS User Guide, Targets).
    """
    return {
        "description": f"Interrupts one Spot instance of the trial {fleet}",
        "roleArn": role,
        "stopConditions": [{"source": "none"}],
        "targets": {
            "instance": {
                "resourceType": "aws:ec2:spot-instance",
                "resourceArns": [session.arn("ec2", f"instance/{instance}")],
                "selectionMode": "ALL",
            }
        },
        "actions": {
            "interrupt": {
                "actionId": "aws:ec2:send-spot-instance-interruptions",
                "parameters": {"durationBeforeInterruption": "PT2M"},
                "targets": {"SpotInstances": "instance"},
            }
        },
        "tags": {FLEET_TAG: fleet},
    }


def interrupt(session: AccountSession, fleet: str, role: str, instance: str, pause: Callable[[float], None]) -> None:
    """Interrupt an instance and wait until FIS has done it. Raises ``ServiceError`` if FIS could not."""
    if ensure_role(session, EXPERIMENTS):
        pause(NEW_ROLE_SECONDS)
    fis = session.client("fis")
    template = fis.create_experiment_template(**template_request(session, fleet, role, instance))
    started = fis.start_experiment(experimentTemplateId=template["experimentTemplate"]["id"], tags={FLEET_TAG: fleet})
    waited = 0.0
    state = started["experiment"]["state"]
    while state["status"] in RUNNING:
        if waited >= EXPERIMENT_SECONDS:
            raise ServiceError(f"the interruption of {instance} is still {state['status']} after {waited:.0f} s")
        pause(POLL_SECONDS)
        waited += POLL_SECONDS
        state = fis.get_experiment(id=started["experiment"]["id"])["experiment"]["state"]
    if state["status"] != "completed":
        raise ServiceError(
            f"the interruption of {instance} {state['status']}: {state.get('reason', 'no reason given')}"
        )


def delete_templates(session: AccountSession, fleet: str) -> None:
    """Stop the trial's experiments that run, and delete its templates.

    Ended experiments can't be deleted: there is no call for it (AWS FIS API reference).
    """
    fis = session.client("fis")
    for page in fis.get_paginator("list_experiments").paginate():
        for row in page["experiments"]:
            if row.get("tags", {}).get(FLEET_TAG) == fleet and row["state"]["status"] in RUNNING:
                fis.stop_experiment(id=row["id"])
    for template in templates(session, fleet):
        fis.delete_experiment_template(id=template)


def templates(session: AccountSession, fleet: str) -> list[str]:
    """Return the ids of the trial's templates that exist."""
    pages = session.client("fis").get_paginator("list_experiment_templates").paginate()
    rows = (row for page in pages for row in page["experimentTemplates"])
    return sorted(str(row["id"]) for row in rows if row.get("tags", {}).get(FLEET_TAG) == fleet)
