"""Logs and counts the claims that this worker has lost: the one place for both, so that they agree."""

from cloudkon.log import Log
from cloudkon.model import ChunkKey


class LostClaims:
    """The number of lost claims since the start, which the metric ``LeaseLosses`` shows."""

    def __init__(self, log: Log) -> None:
        """Start at 0."""
        self._log = log
        self.count = 0

    def add(self, key: ChunkKey, stage: str, **facts: str) -> None:
        """Count a lost claim; ``stage`` names what the worker was doing with the chunk."""
        self.count += 1
        self._log.warning("claim-lost", chunk=str(key), stage=stage, **facts)
