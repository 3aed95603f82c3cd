"""Record: on which account and in which region this machine brought a fleet up, so that no verb acts on another.

It is all the state that the target keeps on this machine, and nothing depends on its being there.
"""

from pathlib import Path

from cloudkon.aws.account import Account
from cloudkon.errors import InvalidInput
from cloudkon.settings import Settings

from ...files import read_json, translate_os_errors, write_json


class AccountRecord:
    """The record of one fleet in the state directory."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is read yet."""
        self._fleet = settings.fleet
        self._path = settings.state_dir / f"aws-{settings.fleet}.json"

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._path

    def check(self, account: Account) -> None:
        """Raise ``InvalidInput`` where the fleet was brought up on another account or in another region."""
        found = read_json(self._path)
        if not found or (found.get("account"), found.get("region")) == (account.number, account.region):
            return
        there = Account(str(found.get("account")), str(found.get("region")))
        raise InvalidInput(
            f"fleet {self._fleet!r}",
            f"it was brought up on {there}, and this would act on {account}",
            f"Mend AWS_PROFILE or AWS_REGION, or, if that fleet is no more, delete {self._path}",
        )

    def write(self, account: Account) -> None:
        """Keep it. Raises ``InvalidInput`` where the state directory can't be used."""
        with translate_os_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._path, {"account": account.number, "region": account.region})

    def forget(self) -> None:
        """Delete it; nothing where there is none."""
        with translate_os_errors(self._path):
            self._path.unlink(missing_ok=True)
