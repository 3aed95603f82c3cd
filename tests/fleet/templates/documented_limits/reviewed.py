"""Lists the sentences that sound like a limit and give no rule, with the reason, as a person has read them.

A sentence that neither a rule nor a line here covers fails ``extract``: a newer botocore may say something new.
"""

from collections.abc import Mapping
from typing import Final

REVIEWED: Final[Mapping[str, tuple[str, ...]]] = {
    "says how several fields depend on one another: cfn-lint, the double and the invariants check it": (
        "A capacity provider must be associated",
        "A task definition must be specified if",
        "An alarm's total current evaluation period",
        "For alarms with a period of less than one hour",
        "If a capacityProviderStrategy is specified, the launchType",
        "If the metric value is above the breach threshold",
        "If you specify both a container-level memory",
        "Must be a volume name referenced",
        "Otherwise, it's exclusive",
        "The attributes in KeySchema must also be defined",
        "The total amount of memory reserved",
        "This name must be unique",
        "To tag the launch template",
        "When using managed termination protection",
    ),
    "is about something that the fleet does not use": (
        "A FIFO queue name",
        "Bucket names must also follow the format bucket-base-name",
        "Bucket names must follow the format bucket-base-name",
        "Directory bucket names",
        "For IPv6 only subnets",
        "For directory buckets",
        "For high-resolution metrics",
        "For the spread placement strategy",
        "If the start port is -1",
        "If you are creating the launch template for use with Batch",
        "If a message with a particular MessageDeduplicationId",
        "If you specify a location filter",
        "Replacement must be made for object keys",
        "Similarly, the dead-letter queue of a standard queue",
        "The dead-letter queue of a FIFO queue",
        "The only supported hash function",
        "The valid values for Fargate",
        "Valid values are messageGroup",
        "Valid values are perQueue",
        "When a volume is using",
        "When using a volume configured at launch",
        "When you specify a location filter",
        "When you use this action with S3 on Outposts",
        "You can specify up to 10 source queue ARNs",
    ),
    "has its values in a list that follows, or in the model's enumeration": (
        "For a list of code values",
        "For a list of valid values",
        "For the binpack placement strategy, valid values are cpu and memory",
        "The following lists the valid values",
        "The valid values for Name depend",
        "Valid Values lists all resource types",
        "Valid values are:",
        "Valid values for Name include",
        "Valid values:",
    ),
    "describes what happens, and refuses no value": (
        "A condition that must be satisfied",
        "Agent versions",
        "Changes made to the MessageRetentionPeriod",
        "Empty String and Binary attribute values are allowed",
        "If a service is using the rolling update (ECS) deployment type",
        "If both tasks were 100% active",
        "If you don't specify a limit",
        "If you make a query at",
        "Lists the receipt handles",
        "Service names must be unique within a cluster",
        "Start time",
        "The minimum amount of the Auto Scaling group's capacity",
        "When you change a queue's attributes",
    ),
    "is kept by the only value that the programs give": (
        "ASCII control characters are not supported as part of dimension",
        "Each TagFilter must contain a key",
        "For example, if the existing data type is a set",
        "If you also want to provide a condition for the sort key",
        "If you specify any attributes that are part of an index key",
        "It must start with an alphabetical character and can't exceed 128 characters",
        "Its type must be String and its value must be a correctly formatted X-Ray",
        "Must contain the slash followed by one or two digits",
        "No set data types are allowed",
        "The data type for ExclusiveStartKey",
        "The driver value must match",
        "The name is case-sensitive and must be unique among all attribute names",
        "The name must be unique among all change sets",
        "The name must not start",
        "The partition key equality test is required",
        "The string array must start with CMD",
        "The valid values are: 0 (pending)",
        "The value must be a valid number based on",
        "The value must be false for",
        "The vector attribute must be",
        "Values must be in the range of -2^360",
        "You can specify up to 40 instance types",
    ),
    "is in the model's pattern, which the double checks": ("Any printable ASCII character",),
}
"""Reasons, each with the beginnings of its sentences."""


def reason_of(sentence: str) -> str:
    """Return why a sentence gives no rule; empty if nobody has read it."""
    return next((reason for reason, starts in REVIEWED.items() if sentence.startswith(starts)), "")
