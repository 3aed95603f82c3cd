"""Refuses an account that is opted out of ECS's long ARNs."""

from typing import Any, Final

from cloudkon.errors import InvalidInput

from .inquiry import Inquiry

LONG_ARNS: Final = ("serviceLongArnFormat", "taskLongArnFormat", "containerInstanceLongArnFormat")
"""The account settings by which the ARNs of services, tasks and container instances have the cluster's name."""


async def check_long_arns(inquiry: Inquiry, region: str) -> None:
    """Raise ``InvalidInput`` if one of the settings is off, with the commands that turn it on.

    ECS then refuses tags: "The new ARN and resource ID format must be enabled to add tags to the service". And policies
    for ``service/FLEET/*`` don't match. The settings are on by default, and an account can't turn them off any more
    ("You can no longer disable Long Arn settings"), but some were opted out earlier (ECS Developer Guide, Amazon
    Resource Names (ARNs) and IDs).
    """
    rows = await inquiry.pages("ecs", "list_account_settings", "settings", effectiveSettings=True)
    off = [row for row in rows or () if row.get("name") in LONG_ARNS and row.get("value") == "disabled"]
    if off:
        names = ", ".join(str(row["name"]) for row in off)
        raise InvalidInput(
            "account settings of ECS",
            f"{names} disabled: ECS refuses the tags of services and tasks",
            f"Run: {' && '.join(_command(row, region) for row in off)}",
        )


def _command(row: dict[str, Any], region: str) -> str:
    """Return the command that turns a setting on: for the account, or for the one user or role that differs from it."""
    principal = str(row.get("principalArn", ""))
    whole = not principal or principal.endswith(":root")
    verb, whom = (
        ("put-account-setting-default", "") if whole else ("put-account-setting", f" --principal-arn {principal}")
    )
    return f"aws ecs {verb} --region {region} --name {row['name']} --value enabled{whom}"
