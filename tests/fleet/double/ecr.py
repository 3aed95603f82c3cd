"""Implements ECR: repositories and images. Tags are immutable if the repository says so."""

import base64
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.resource_table import ResourceTable

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Document = dict[str, Any]


@dataclass
class Repository:
    """``images`` are digests by tag, each with its push time."""

    name: str
    arn: str
    uri: str
    immutable: bool
    empty_on_delete: bool
    images: dict[str, tuple[str, datetime]] = field(default_factory=dict)


class Ecr:
    def __init__(self, account: "Account") -> None:
        self._account = account
        self.repositories: ResourceTable[Repository] = ResourceTable(
            account.timeline,
            lambda name: ApiError(
                "RepositoryNotFoundException",
                f"The repository with name '{name}' does not exist in the registry with id '{account.number}'",
            ),
        )

    @property
    def host(self) -> str:
        """The registry's host."""
        return f"{self._account.number}.dkr.ecr.{self._account.region}.{self._account.dns_suffix}"

    def create(self, name: str, tags: dict[str, str], *, immutable: bool, empty_on_delete: bool) -> Repository:
        if name in self.repositories:
            raise ApiError("RepositoryAlreadyExistsException", f"The repository with name '{name}' already exists")
        arn = self._account.arn("ecr", f"repository/{name}")
        made = Repository(name, arn, f"{self.host}/{name}", immutable, empty_on_delete)
        self._account.tags.put(arn, tags)
        return self.repositories.add(name, made)

    def remove(self, name: str) -> None:
        found = self.repositories.get(name)
        if found.images and not found.empty_on_delete:
            message = f"The repository with name '{name}' cannot be deleted because it still contains images"
            raise ApiError("RepositoryNotEmptyException", message)
        self.repositories.remove(name)
        self._account.tags.remove(found.arn)

    def push(self, image: str, digest: str = "sha256:" + "0" * 64) -> None:
        """Do what ``docker push`` does with ``URI:TAG``."""
        uri, _, tag = image.rpartition(":")
        found = self.repositories.get(uri.removeprefix(f"{self.host}/"))
        if found.immutable and found.images.get(tag, (digest,))[0] != digest:
            raise ApiError("ImageTagAlreadyExistsException", f"The image tag '{tag}' already exists and is immutable")
        found.images[tag] = (digest, self._account.timeline.moment)

    def holds(self, image: str) -> bool:
        """Whether ``URI:TAG`` can be pulled."""
        uri, _, tag = image.rpartition(":")
        found = self.repositories.find(uri.removeprefix(f"{self.host}/"))
        return found is not None and tag in found.images

    def get_authorization_token(self, _: Document) -> Document:
        token = base64.b64encode(b"AWS:password").decode()
        return {"authorizationData": [{"authorizationToken": token, "proxyEndpoint": f"https://{self.host}"}]}

    def describe_images(self, request: Document) -> Document:
        found = self.repositories.get(request["repositoryName"])
        wanted = [one["imageTag"] for one in request.get("imageIds", [])] or sorted(found.images)
        if missing := [tag for tag in wanted if tag not in found.images]:
            message = f"The image with imageId {{imageTag:'{missing[0]}'}} does not exist within the repository"
            raise ApiError("ImageNotFoundException", message)
        details = [
            {
                "repositoryName": found.name,
                "imageTags": [tag],
                "imageDigest": found.images[tag][0],
                "imagePushedAt": found.images[tag][1],
            }
            for tag in wanted
        ]
        return {"imageDetails": details}
