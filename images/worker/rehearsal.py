"""The old path of ``images.worker.testing``, for tests that import it from here."""

from .testing import RehearsalWorker, rehearse, worker

__all__ = ["RehearsalWorker", "rehearse", "worker"]
