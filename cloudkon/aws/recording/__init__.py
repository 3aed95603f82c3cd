"""Records each request to AWS and its answer in a folder, sanitised, for a report or a test (``CLOUDKON_RECORD``)."""

from cloudkon.aws.recording.call_hooks import record_calls

__all__ = ["record_calls"]
