"""Defines a stack's resource, and the interface of a resource type that creates, updates and deletes it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.tags import as_list

if TYPE_CHECKING:
    from tests.fleet.double.account import Account


@dataclass
class Resource:
    """``physical`` is the value of ``Ref``, empty before the creation; ``attributes`` are those of ``Fn::GetAtt``."""

    account: "Account"
    logical: str
    kind: str
    properties: dict[str, Any]
    tags: dict[str, str]
    """The stack's tags."""
    stack: str = ""
    needs: set[str] = field(default_factory=set)
    """Logical ids of the resources that are created before it and deleted after it."""
    retained: bool = False
    physical: str = ""
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def tag_list(self) -> list[dict[str, str]]:
        """The stack's tags with the resource's own."""
        own = self.properties.get("Tags", [])
        names = {str(one["Key"]) for one in own}
        return [*own, *(one for one in as_list(self.tags) if one["Key"] not in names)]

    def generated(self, longest: int = 128) -> str:
        """A name as CloudFormation generates it: the stack's part is cut until the name has ``longest`` letters.

        No document says how. A function of the stack ``serverlessrepo-Datadog-Log-Forwarder`` is named, in many public
        repositories, ``serverlessrepo-Datadog-Log-For-loglambdaddfunction-`` and 13 letters: 64 in all.
        """
        end = f"-{self.logical}-{self.account.next_number():013X}"
        return f"{self.stack[: longest - len(end)]}{end}"


class ResourceType:
    """How one type of resource is created, updated and deleted. All raise ``ApiError`` as the service would."""

    seconds = 2.0
    """The least duration of each step."""
    timeout = 900.0
    """Seconds after which CloudFormation stops waiting."""
    replaces: frozenset[str] = frozenset()
    """Properties whose change replaces the resource; ``*`` means all of them."""

    def create(self, one: Resource) -> None:
        raise NotImplementedError

    def update(self, one: Resource) -> None:
        """Change the resource to ``one.properties``."""

    def delete(self, one: Resource) -> None:
        raise NotImplementedError

    def settled(self, one: Resource) -> bool:  # noqa: ARG002  (for those kinds that look)
        """Whether the creation or update is complete; raises ``ApiError`` if it never will be."""
        return True

    def gone(self, one: Resource) -> bool:  # noqa: ARG002  (see above)
        """Whether the deletion is complete."""
        return True

    def replaced(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        """Whether the change between two sets of properties replaces the resource."""
        changed = {key for key in {*old, *new} if old.get(key) != new.get(key)}
        return bool(changed & self.replaces) or ("*" in self.replaces and bool(changed))


def unstable(message: str) -> ApiError:
    """Return CloudFormation's error for a resource that does not stabilize."""
    return ApiError("NotStabilized", f'Resource handler returned message: "{message}"')
