"""Keeps the old import path of ``images.worker.testing`` working."""

from .testing import RehearsalWorker, rehearse, worker

__all__ = ["RehearsalWorker", "rehearse", "worker"]
