"""Keeps the old path of ``cloudkon.model`` working, with the old names of its types."""

from cloudkon.model import *  # noqa: F403  (all that the model exports)
from cloudkon.model import ChunkRecord as Record
from cloudkon.model import ChunkSummary as Outline
from cloudkon.model import PayloadRef as Parcel
from cloudkon.model import __all__ as _model

__all__ = ["Outline", "Parcel", "Record", *_model]  # noqa: PLE0604  (names of the model)
