"""Finds which service-linked roles an account has, and deletes those that a trial made."""

from collections.abc import Callable, Iterable
from typing import Final

from botocore.exceptions import ClientError

from tests.aws.account_session import AccountSession

EXPERIMENTS: Final = "AWSServiceRoleForFIS"
SERVICES: Final = {
    EXPERIMENTS: "fis.amazonaws.com",
    "AWSServiceRoleForECS": "ecs.amazonaws.com",
    "AWSServiceRoleForAutoScaling": "autoscaling.amazonaws.com",
    "AWSServiceRoleForApplicationAutoScaling_ECSService": "ecs.application-autoscaling.amazonaws.com",
    "AWSServiceRoleForEC2Spot": "spot.amazonaws.com",
}
"""The roles that a trial needs, with their services. The last four are those that ``fleet up`` makes and keeps."""
EXISTS: Final = ("EntityAlreadyExists", "InvalidInput")
POLL_SECONDS: Final = 5.0
DELETE_SECONDS: Final = 300.0


def absent_roles(session: AccountSession) -> list[str]:
    """Return the names of those roles that the account does not have yet."""
    iam = session.client("iam")
    absent = []
    for name in SERVICES:
        try:
            iam.get_role(RoleName=name)
        except iam.exceptions.NoSuchEntityException:
            absent.append(name)
    return absent


def ensure_role(session: AccountSession, name: str) -> bool:
    """Create a service-linked role. Return whether it is new."""
    try:
        session.client("iam").create_service_linked_role(AWSServiceName=SERVICES[name])
    except ClientError as error:
        if error.response["Error"]["Code"] not in EXISTS:
            raise
        return False
    return True


def delete_roles(session: AccountSession, names: Iterable[str], pause: Callable[[float], None]) -> list[str]:
    """Delete service-linked roles. Return a sentence for each that stays because something uses it.

    IAM refuses while the service has resources that need the role, in any region (IAM User Guide, Delete a
    service-linked role). So nobody loses a role that came into use in the meantime.
    """
    iam = session.client("iam")
    kept = []
    for name in names:
        try:
            task = iam.delete_service_linked_role(RoleName=name)["DeletionTaskId"]
        except iam.exceptions.NoSuchEntityException:
            continue
        waited = 0.0
        while True:
            answer = iam.get_service_linked_role_deletion_status(DeletionTaskId=task)
            if answer["Status"] == "SUCCEEDED":
                break
            if answer["Status"] == "FAILED" or waited >= DELETE_SECONDS:
                reason = answer.get("Reason", {}).get("Reason", f"still {answer['Status']}")
                kept.append(f"service-linked role {name} stays, free of charge: {reason}")
                break
            pause(POLL_SECONDS)
            waited += POLL_SECONDS
    return kept
