"""Resource: one thing of a stack, and what its kind makes of its properties."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.tags import as_list

if TYPE_CHECKING:
    from tests.fleet.double.account import Account


@dataclass
class Resource:
    """``physical`` is what ``Ref`` gives, empty before it is made; ``attributes`` what ``Fn::GetAtt`` does."""

    account: "Account"
    logical: str
    kind: str
    properties: dict[str, Any]
    tags: dict[str, str]
    """The stack's."""
    stack: str = ""
    needs: set[str] = field(default_factory=set)
    """Logical ids of what must be there before it, and go after it."""
    retained: bool = False
    physical: str = ""
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def tag_list(self) -> list[dict[str, str]]:
        """The stack's tags with its own."""
        own = self.properties.get("Tags", [])
        names = {str(one["Key"]) for one in own}
        return [*own, *(one for one in as_list(self.tags) if one["Key"] not in names)]

    def generated(self) -> str:
        """A name as CloudFormation makes it."""
        return f"{self.stack}-{self.logical}-{self.account.number_of_next():06X}"


class ResourceType:
    """How one kind of resource is made, changed and deleted. All raise ``ApiError`` as the service would."""

    seconds = 2.0
    """How long each step takes at least."""
    patience = 900.0
    """Seconds after which CloudFormation gives up waiting."""
    replaces: frozenset[str] = frozenset()
    """Properties whose change makes a new resource; ``*`` stands for all of them."""

    def create(self, one: Resource) -> None:
        raise NotImplementedError

    def update(self, one: Resource) -> None:
        """Bring what is there to ``one.properties``."""

    def delete(self, one: Resource) -> None:
        raise NotImplementedError

    def settled(self, one: Resource) -> bool:  # noqa: ARG002  (for those kinds that look)
        """Whether what was made or changed has come to rest; raises ``ApiError`` where it never will."""
        return True

    def gone(self, one: Resource) -> bool:  # noqa: ARG002  (likewise)
        """Whether what was deleted is away."""
        return True

    def replaced(self, old: dict[str, Any], new: dict[str, Any]) -> bool:
        """Whether the change between two sets of properties makes a new resource."""
        changed = {key for key in {*old, *new} if old.get(key) != new.get(key)}
        return bool(changed & self.replaces) or ("*" in self.replaces and bool(changed))


def unstable(words: str) -> ApiError:
    """What CloudFormation says of a resource that does not come to rest."""
    return ApiError("NotStabilized", f'Resource handler returned message: "{words}"')
