"""Renders a template for given options, as stored and compared text.

``python -m tests.support.template_rendering`` renews the stored renderings after a deliberate change of a template.
"""

import base64
import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cloudkon.aws.stack_template import read_template
from tests.fleet.double.template import Scope, Template

TEMPLATES: Final = Path(__file__).parents[2] / "fleet/templates"
STORED: Final = Path(__file__).parents[1] / "fleet/templates/renderings"
RENEW: Final = "python -m tests.support.template_rendering"

PSEUDO: Final = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "cloudkon-compute",
    "AWS::URLSuffix": "amazonaws.com",
}
_REPOSITORY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/cloudkon"
UPDATED: Final = {
    "Fleet": "cloudkon",
    "BucketName": "cloudkon-store-123456789012-eu-central-1",
    "VpcId": "vpc-1",
    "SubnetIds": "subnet-1,subnet-2",
    "AmiId": "ami-1",
    "Creating": "false",
    "WorkerImage": f"{_REPOSITORY}/worker:1",
    "AnimotoImage": f"{_REPOSITORY}/animoto:1",
}
"""Parameters of a compute stack that was created with no other options."""
AUTOSCALED: Final = {"WorkerMax": "64", "WorkerPerWorker": "200", "AnimotoMin": "1", "AnimotoMax": "8"}

COMPUTE: Final[Mapping[str, Mapping[str, str]]] = {
    "created": {**UPDATED, "Creating": "true", "WorkerImage": "none", "AnimotoImage": "none"},
    "updated": UPDATED,
    "spot": {
        **UPDATED,
        "OnDemandBase": "1",
        "OnDemandPercentage": "25",
        "InstanceTypes": "c7i.large,c6i.large,m7i.large,m6i.large",
    },
    "arm": {
        **UPDATED,
        "Architecture": "arm64",
        "AmiId": "ami-arm",
        "InstanceTypes": "c7g.large, m7g.large",
    },
    "autoscaled": {**UPDATED, **AUTOSCALED},
    "open": {
        **UPDATED,
        "AllowExec": "true",
        "ExecuteCommand": "true",
        "LinkBuckets": "pictures,more-pictures",
        "AlarmTopic": "arn:aws:sns:eu-central-1:123456789012:alarms",
        "PermissionsBoundary": "arn:aws:iam::123456789012:policy/boundary",
    },
    "sized": {
        **UPDATED,
        "MaxInstances": "40",
        "VolumeGiB": "100",
        "LogRetentionDays": "7",
        "StopSeconds": "110",
        "LogLevel": "debug",
        "WorkerCpu": "1024",
        "WorkerMemory": "1800",
        "Slots": "4",
        "AnimotoSlots": "2",
        "LeaseSeconds": "120",
    },
}
"""The option sets of the compute template whose renderings are stored."""
DATA: Final = {"Fleet": "cloudkon", "BucketName": UPDATED["BucketName"], "VisibilitySeconds": "65"}
DATA_OPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "plain": DATA,
    "kept": {**DATA, "WarmWrites": "20000", "PointInTimeRecovery": "enabled", "Versioning": "enabled"},
    "no-longer-kept": {**DATA, "PointInTimeRecovery": "disabled", "Versioning": "disabled"},
}
"""The option sets of the data template."""

Resources = dict[str, dict[str, Any]]


def text_of(template: str) -> str:
    """Return the text of the template ``data`` or ``compute``, with the files that it includes."""
    return read_template(TEMPLATES / f"{template}.yaml")


def render(template: Template, parameters: Mapping[str, str], pseudo: Mapping[str, str] = PSEUDO) -> Resources:
    """Return a template's resources as CloudFormation would request them, by logical id.

    Values that only a created resource has are shown as ``<Name>`` or ``<Name.Attribute>``. User data is decoded.
    Raises ``ApiError`` for parameters that the template does not accept.
    """
    scope = Scope(template, template.parameters(parameters), pseudo)

    def made(logical: str, attribute: str) -> str:
        assert logical in template.resources, f"{logical} is neither a parameter nor a resource"
        return f"<{logical}.{attribute}>" if attribute else f"<{logical}>"

    rendered: Resources = {}
    for name, one in template.wanted(scope).items():
        rendered[str(name)] = {str(key): scope.resolve(value, made) for key, value in one.items() if key != "Condition"}
        data = rendered[str(name)].get("Properties", {}).get("LaunchTemplateData", {})
        if "UserData" in data:
            data["UserData"] = base64.b64decode(data["UserData"]).decode().splitlines()
    return rendered


def renderings() -> dict[str, str]:
    """Return all stored renderings as text by file name: one complete, and the differences of each option."""
    found: dict[str, str] = {}
    for template, options, base in (("data", DATA_OPTIONS, "plain"), ("compute", COMPUTE, "updated")):
        parsed = Template(text_of(template))
        texts = {name: _text(render(parsed, chosen)) for name, chosen in options.items()}
        whole = found[f"{template}.json"] = texts.pop(base)
        for name, text in texts.items():
            lines = difflib.unified_diff(whole.splitlines(), text.splitlines(), template, name, n=3, lineterm="")
            found[f"{template}-{name}.diff"] = "".join(f"{line.rstrip()}\n" for line in lines)
    return found


def _text(rendered: Resources) -> str:
    return f"{json.dumps(rendered, indent=1, sort_keys=True)}\n"


def main() -> None:
    """Store the renderings."""
    for left in STORED.iterdir():
        left.unlink()
    for name, text in renderings().items():
        (STORED / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
