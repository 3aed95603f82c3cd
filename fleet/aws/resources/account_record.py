"""Records in which account and region this machine brought a fleet up, so that no command acts on another one.

The record is the only local state of this target. Everything works without it.
"""

from pathlib import Path

from cloudkon.aws.account import Account
from cloudkon.errors import InvalidInput
from cloudkon.settings import Settings

from ...files import read_json, translate_os_errors, write_json


class AccountRecord:
    """The record of one fleet in the state directory."""

    def __init__(self, settings: Settings) -> None:
        """The file is not read yet."""
        self._fleet = settings.fleet
        self._path = settings.state_dir / f"aws-{settings.fleet}.json"

    @property
    def path(self) -> Path:
        """Return the file's path."""
        return self._path

    def check(self, account: Account) -> None:
        """Raise ``InvalidInput`` if the fleet was brought up in another account or region."""
        found = read_json(self._path)
        if not found or (found.get("account"), found.get("region")) == (account.number, account.region):
            return
        there = Account(str(found.get("account")), str(found.get("region")))
        raise InvalidInput(
            f"fleet {self._fleet!r}",
            f"it was brought up on {there}, and this command would act on {account}",
            f"Fix AWS_PROFILE or AWS_REGION, or, if that fleet no longer exists, delete {self._path}",
        )

    def write(self, account: Account) -> None:
        """Write the record. Raises ``InvalidInput`` if the state directory can't be used."""
        with translate_os_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._path, {"account": account.number, "region": account.region})

    def forget(self) -> None:
        """Delete the record, if it exists."""
        with translate_os_errors(self._path):
            self._path.unlink(missing_ok=True)
