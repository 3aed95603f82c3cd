"""Connects to the account in memory as a command with ``CLOUDKON_RECORD`` does: by clients that are recorded."""

from cloudkon.aws.bucket_owner import require_owner
from cloudkon.aws.recording import record_calls
from cloudkon.settings import Settings
from tests.fleet.double.clients import client
from tests.fleet.double.connection import DoubleConnection


class RecordedConnection(DoubleConnection):
    """Records its calls into the folder that the settings name."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._recorded = settings

    def _make_client(self, service: str) -> object:
        # Not the process's one, which other tests use.
        made: object = client.__wrapped__(service, "us-east-1")
        if service == "s3":
            require_owner(made, self.owner_of)
        record_calls(made, self._recorded)
        return made
