"""Implements the parts of STS, IAM, Service Quotas and the Free Tier API that the fleet uses."""

from typing import TYPE_CHECKING, Any

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.resource_table import ResourceTable
from tests.fleet.double.tags import as_dict

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Document = dict[str, Any]


class Sts:
    def __init__(self, account: "Account") -> None:
        self._account = account
        self.expired = False
        """Whether the credentials have expired."""

    def get_caller_identity(self, _: Document) -> Document:
        if self.expired:
            raise ApiError("ExpiredToken", "The security token included in the request is expired", 403)
        number = self._account.number
        return {"Account": number, "UserId": "AIDADOUBLE", "Arn": self._account.iam_arn("user/engineer")}


class Iam:
    """Roles and instance profiles (for stacks), service-linked roles (for the fleet)."""

    def __init__(self, account: "Account") -> None:
        self._account = account
        timeline = account.timeline
        self.roles: ResourceTable[Document] = ResourceTable(
            timeline, lambda name: ApiError("NoSuchEntity", f"role {name}", 404)
        )
        self.profiles: ResourceTable[Document] = ResourceTable(
            timeline, lambda name: ApiError("NoSuchEntity", f"profile {name}", 404)
        )
        self.linked: set[str] = set()
        """Services that have their service-linked role."""

    def create_service_linked_role(self, request: Document) -> Document:
        service = request["AWSServiceName"]
        if service in self.linked:
            message = f"Service role name for {service} has been taken in this account, please try a different suffix."
            raise ApiError("InvalidInput", message)
        self.linked.add(service)
        return {
            "Role": {
                "Path": f"/aws-service-role/{service}/",
                "RoleName": f"AWSServiceRoleFor{service.split('.')[0]}",
                "RoleId": "AROADOUBLEDOUBLE",
                "Arn": self._account.iam_arn(f"role/aws-service-role/{service}/linked"),
                "CreateDate": self._account.timeline.moment,
            }
        }

    def create_role(self, name: str, properties: Document, tags: dict[str, str]) -> str:
        """Create a role and return its ARN."""
        if name in self.roles:
            raise ApiError("EntityAlreadyExists", f"Role with name {name} already exists.", 409)
        arn = self._account.iam_arn(f"role/{name}")
        self.roles.add(name, properties)
        self._account.tags.put(arn, tags | as_dict(properties.get("Tags", [])))
        return arn

    def delete_role(self, name: str) -> None:
        if users := [one["InstanceProfileName"] for one in self.profiles if name in one["Roles"]]:
            message = f"Cannot delete entity, must remove roles from instance profile first: {users}"
            raise ApiError("DeleteConflict", message, 409)
        self.roles.remove(name)
        self._account.tags.remove(self._account.iam_arn(f"role/{name}"))


class Quotas:
    """vCPU quotas by code; large unless a test changes them."""

    def __init__(self, account: "Account") -> None:
        self._account = account
        self.values: dict[str, float] = {}

    def get_service_quota(self, request: Document) -> Document:
        code = request["QuotaCode"]
        return {"Quota": {"ServiceCode": request["ServiceCode"], "QuotaCode": code, "Value": self.value(code)}}

    def value(self, code: str) -> float:
        """Return a quota's value."""
        return self.values.get(code, 640.0)


class FreeTier:
    """The account's plan. On the plan ``FREE``, EC2 starts only the types of the free tier."""

    def __init__(self, account: "Account") -> None:
        self._account = account
        self.plan = "PAID"

    def get_account_plan_state(self, _: Document) -> Document:
        assert self._account.partition == "aws", "the Free Tier API has one endpoint, in us-east-1"
        return {"accountId": self._account.number, "accountPlanType": self.plan, "accountPlanStatus": "ACTIVE"}
