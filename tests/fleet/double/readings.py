"""Names what AWS may do where its documents disagree or are silent: a ``Reading`` each, worse than the default.

    account.adopt(DRAINING_STOPS_PROTECTED)

``test_readings.py`` runs a fleet's whole life under each reading and under all of ``SURVIVED`` at once;
``test_double_readings.py`` shows what each changes. Each reading names what it rests on, by the title of AWS's page.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Reading:
    """What AWS does under a reading, the page that says so, and what lets one read it otherwise."""

    name: str
    behaviour: str
    source: str
    otherwise: str

    def __str__(self) -> str:
        """Name it in a test's id."""
        return self.name


DRAINING_STOPS_PROTECTED: Final = Reading(
    "draining-stops-protected",
    "Tasks on a draining instance stop as the deployment configuration allows, protected or not.",
    "ECS Developer Guide, Draining Amazon ECS container instances: running tasks of a service stop, and are replaced "
    "by minimumHealthyPercent and maximumPercent (of four tasks, 50 %: two). It names no protection.",
    "ECS Developer Guide, Protect your Amazon ECS tasks from being terminated by scale-in events: it names no draining "
    "either. The double's default is that protected tasks stay, since an instance may drain for 48 hours (Safely stop "
    "Amazon ECS workloads running on EC2 instances).",
)
NO_POINTS_NO_RESULT: Final = Reading(
    "no-points-no-result",
    "An expression, FILL included, has no point at all if one of its metrics has none at all.",
    "No page says what holds for a metric that has no point in the whole range.",
    "CloudWatch User Guide, Using math expressions with CloudWatch metrics: FILL fills the missing values of a metric, "
    "and operators treat a missing value as 0 where another operand has one.",
)
QUEUE_METRICS_LATE: Final = Reading(
    "queue-metrics-late",
    "The metrics of a queue that was empty come 15 minutes late.",
    "SQS Developer Guide, Monitoring Amazon SQS queues using CloudWatch: there may be a delay of up to 15 minutes "
    "after an inactive queue becomes active.",
    "The same page: metrics of active queues are sent every minute.",
)
ZEROS_LEFT_OUT: Final = Reading(
    "zeros-left-out",
    "A queue sends no metric of messages in flight while there are none.",
    "SQS Developer Guide, Available CloudWatch metrics for Amazon SQS, table: messages in flight are reported if there "
    "are any.",
    "The same page, note: all metrics of an active queue have values that are not negative.",
)
CREATION_WITHOUT_RESOURCE: Final = Reading(
    "creation-without-resource",
    "CreateCluster, RegisterTaskDefinition and CreateCapacityProvider have no resource: only * allows them.",
    "ECS Developer Guide, Identity-based policy examples: these actions are allowed on *.",
    "Service Authorization Reference, Amazon ECS: the actions have a resource type.",
)
CREATION_WITH_RESOURCE: Final = Reading(
    "creation-with-resource",
    "CreateCluster, RegisterTaskDefinition and CreateCapacityProvider are judged on the ARN of what they create.",
    CREATION_WITHOUT_RESOURCE.otherwise,
    CREATION_WITHOUT_RESOURCE.source,
)
EARLY_VALIDATION: Final = Reading(
    "early-validation",
    "A change set that would create what exists fails, and only DescribeEvents says which resource and why.",
    "CloudFormation User Guide, Validate stack deployments: name conflicts are found as a change set is created.",
    "CloudFormation User Guide, Update stacks using change sets: they don't show whether an update will succeed.",
)
TASKS_PENDING_FOR_MINUTES: Final = Reading(
    "tasks-pending-for-minutes",
    "A placed task stays PENDING for six minutes.",
    "ECS Developer Guide, Amazon ECS task lifecycle: PENDING lasts until the agent has taken further action.",
    "The page names no limit in time; a pull of a cached image takes seconds.",
)
TAGS_SEEN_LATE: Final = Reading(
    "tags-seen-late",
    "Tags of a new resource are seen after two and a half minutes: by lists, by filters, and by IAM's aws:ResourceTag. "
    "Deleted resources stay listed as long.",
    "EC2 Developer Guide, Eventual consistency in the Amazon EC2 API: the result of a command may not be visible at "
    "once to all commands that follow.",
    "IAM User Guide, Controlling access to AWS resources using tags: a condition reads the tags that a resource has.",
)
ROLES_SEEN_LATE: Final = Reading(
    "roles-seen-late",
    "Nobody can use a role or instance profile in its first minute.",
    "IAM User Guide, Troubleshoot IAM, Changes that I make are not always immediately visible: a change takes time "
    "until all endpoints see it.",
    "IAM API Reference, CreateRole and CreateServiceLinkedRole: the answer describes a role that exists. Users report "
    "that CloudFormation waits two minutes for an instance profile, as the double does; no page promises it.",
)
UNTAGGED_CREATION_DENIED: Final = Reading(
    "untagged-creation-denied",
    "A service control policy denies creation without the organization's tag in the request, for each type that "
    "CloudFormation tags, launch templates and volumes included.",
    "Organizations User Guide, Example SCPs for tagging resources: Deny where aws:RequestTag is null.",
    "The same page warns that CloudFormation creates some resources first and tags them then. The registry's schemas "
    "say tagOnCreate for each type of the templates that can have tags.",
)
ANY_UNTAGGED_CREATION_DENIED: Final = Reading(
    "any-untagged-creation-denied",
    "The same for instance profiles, which IAM could tag and CloudFormation can't.",
    UNTAGGED_CREATION_DENIED.source,
    "CloudFormation registry, AWS::IAM::InstanceProfile: not taggable.",
)
SHORT_ARNS: Final = Reading(
    "short-arns",
    "The account is opted out of long ARNs: ECS refuses services that propagate tags.",
    "ECS Developer Guide, Amazon Resource Names (ARNs) and IDs: tags need the long format, which an account may be "
    "opted out of.",
    "ECS Developer Guide, Account settings: the long format is the default.",
)

SURVIVED: Final = (
    DRAINING_STOPS_PROTECTED,
    NO_POINTS_NO_RESULT,
    QUEUE_METRICS_LATE,
    ZEROS_LEFT_OUT,
    CREATION_WITHOUT_RESOURCE,
    CREATION_WITH_RESOURCE,
    EARLY_VALIDATION,
    TASKS_PENDING_FOR_MINUTES,
    TAGS_SEEN_LATE,
    ROLES_SEEN_LATE,
    UNTAGGED_CREATION_DENIED,
)
"""Readings under which each verb ends well."""
NAMED: Final = (ANY_UNTAGGED_CREATION_DENIED, SHORT_ARNS)
"""Readings under which ``up`` ends with an error that names the reason and the remedy, and leaves nothing half made."""
