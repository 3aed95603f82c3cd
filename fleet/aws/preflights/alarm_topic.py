"""Refuses an SNS topic that CloudWatch's alarms can't notify."""

from typing import Final

from cloudkon.aws.account import Account
from cloudkon.errors import InvalidInput

from .inquiry import Inquiry

AWS_KEY: Final = "alias/aws/sns"
"""AWS's own key of SNS. Its policy does not let CloudWatch use it, and nobody can change that policy (AWS re:Post, How
do I configure a CloudWatch alarm with an encrypted SNS topic)."""
MISSING: Final = ("NotFound", "NotFoundException")


async def check_alarm_topic(inquiry: Inquiry, account: Account, topic: str) -> None:
    """Raise ``InvalidInput`` for a topic that never gets a message. ``topic``: its ARN.

    A topic of another account may be right: its policy decides, which only that account knows.
    """
    region, number = topic.split(":")[3:5]
    subject = f"--alarm-topic {topic}"
    if region != account.region:
        raise InvalidInput(
            subject,
            f"it is in {region}, the fleet in {account.region}, and alarms notify topics of their own region only",
            "Give a topic of that region",
        )
    if number != account.number:
        return
    answer = await inquiry.call("sns", "get_topic_attributes", TopicArn=topic)
    if answer is None:
        if inquiry.failure("get_topic_attributes") in MISSING:
            raise InvalidInput(subject, "there is no such topic", "Create it first, or give another")
        return
    if str(answer.get("Attributes", {}).get("KmsMasterKeyId", "")).endswith(AWS_KEY):
        raise InvalidInput(
            subject,
            f"it is encrypted with {AWS_KEY}, which CloudWatch may not use, so it would never get a message",
            "Give it a customer key whose policy allows cloudwatch.amazonaws.com kms:Decrypt and kms:GenerateDataKey*, "
            "or no encryption",
        )
