"""Resource types that hold data: queues, table, bucket, image repositories, log groups."""

from tests.fleet.double.property_coercion import request_from_properties
from tests.fleet.double.resource import Resource, ResourceType
from tests.fleet.double.tags import as_dict


class QueueType(ResourceType):
    replaces = frozenset({"QueueName"})

    def create(self, one: Resource) -> None:
        queue = one.account.sqs.create(one.properties["QueueName"], as_dict(one.tag_list))
        one.physical, one.attributes = queue.url, {"Arn": queue.arn, "QueueName": queue.name}

    def delete(self, one: Resource) -> None:
        one.account.sqs.remove(one.physical.rpartition("/")[2])


class QueuePolicyType(ResourceType):
    def create(self, one: Resource) -> None:
        for url in one.properties["Queues"]:
            one.account.sqs.queues.get(url.rpartition("/")[2])
        one.physical = one.generated()

    def delete(self, one: Resource) -> None:
        """It is deleted with its queue."""


class TableType(ResourceType):
    seconds = 8.0
    replaces = frozenset({"TableName", "KeySchema"})

    def create(self, one: Resource) -> None:
        # On AWS, these are set by separate calls.
        apart = ("TimeToLiveSpecification", "PointInTimeRecoverySpecification")
        wanted = {key: value for key, value in one.properties.items() if key not in apart}
        request_from_properties("dynamodb", "CreateTable", wanted)
        expiry = one.properties.get("TimeToLiveSpecification", {}).get("AttributeName", "")
        arn = one.account.dynamodb.create(one.properties["TableName"], expiry, as_dict(one.tag_list))
        one.physical, one.attributes = one.properties["TableName"], {"Arn": arn}

    def delete(self, one: Resource) -> None:
        one.account.dynamodb.remove(one.physical)


class BucketType(ResourceType):
    seconds = 20.0
    replaces = frozenset({"BucketName"})

    def create(self, one: Resource) -> None:
        arn = one.account.s3.create(one.properties["BucketName"], as_dict(one.tag_list))
        one.physical, one.attributes = one.properties["BucketName"], {"Arn": arn}

    def delete(self, one: Resource) -> None:
        one.account.s3.remove(one.physical)


class BucketPolicyType(ResourceType):
    def create(self, one: Resource) -> None:
        one.account.s3.buckets.get(one.properties["Bucket"])
        one.physical = one.generated()

    def delete(self, one: Resource) -> None:
        """It is deleted with its bucket."""


class RepositoryType(ResourceType):
    replaces = frozenset({"RepositoryName"})

    def create(self, one: Resource) -> None:
        given = one.properties
        made = one.account.ecr.create(
            given["RepositoryName"],
            as_dict(one.tag_list),
            immutable=given.get("ImageTagMutability") == "IMMUTABLE",
            empty_on_delete=bool(given.get("EmptyOnDelete", False)),
        )
        one.physical, one.attributes = made.name, {"Arn": made.arn, "RepositoryUri": made.uri}

    def delete(self, one: Resource) -> None:
        one.account.ecr.remove(one.physical)


class LogGroupType(ResourceType):
    replaces = frozenset({"LogGroupName"})

    def create(self, one: Resource) -> None:
        arn = one.account.logs.create(one.properties["LogGroupName"], as_dict(one.tag_list))
        one.physical, one.attributes = one.properties["LogGroupName"], {"Arn": f"{arn}:*"}

    def delete(self, one: Resource) -> None:
        one.account.logs.remove(one.physical)
