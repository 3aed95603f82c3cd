"""Warns if the volumes would be encrypted with a customer's key that Auto Scaling may not use."""

import json
from typing import Any, Final

from cloudkon.aws.account import Account

from ...target import Report
from .inquiry import Inquiry

AWS_KEY: Final = "alias/aws/ebs"
"""AWS's own key, which Auto Scaling may use. It is the default of an account that did not choose another."""
DOCUMENT: Final = "EC2 Auto Scaling User Guide, Required AWS KMS key policy for use with encrypted volumes"
USES: Final = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey")


async def report_volume_key(inquiry: Inquiry, account: Account, report: Report) -> None:
    """Report the key policy's statements that Auto Scaling needs, if the account's default key is a customer's.

    The launch template asks for encryption without naming a key, so EBS takes that default. Nothing is refused: the
    key's policy or a grant may allow it already, and few may read these.
    """
    answer = await inquiry.call("ec2", "get_ebs_default_kms_key_id")
    key = str(answer.get("KmsKeyId", "")) if answer else ""
    if not key or key.endswith(AWS_KEY):
        return
    report(
        f"warning: this account encrypts volumes with its own key {key}. No instance will start unless its policy lets "
        f"Auto Scaling's role use it, by these statements ({DOCUMENT}; a key of another account also needs a grant):"
    )
    report(json.dumps(key_statements(account)))


def key_statements(account: Account) -> list[dict[str, Any]]:
    """Return the statements by which a key's policy lets Auto Scaling's service-linked role start instances."""
    role = (
        f"arn:{account.partition.name}:iam::{account.number}:role/aws-service-role/autoscaling.amazonaws.com/"
        "AWSServiceRoleForAutoScaling"
    )
    principal = {"AWS": role}
    return [
        {
            "Sid": "AutoScalingUsesTheKey",
            "Effect": "Allow",
            "Principal": principal,
            "Action": list(USES),
            "Resource": "*",
        },
        {
            "Sid": "AutoScalingAttachesVolumes",
            "Effect": "Allow",
            "Principal": principal,
            "Action": "kms:CreateGrant",
            "Resource": "*",
            "Condition": {"Bool": {"kms:GrantIsForAWSResource": True}},
        },
    ]
