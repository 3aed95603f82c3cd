"""The old path of ``cloudkon.model``, for handlers and scripts that import it from here."""

from cloudkon.model import *  # noqa: F403  (whatever the model exports)
from cloudkon.model import ChunkRecord as Record
from cloudkon.model import ChunkSummary as Outline
from cloudkon.model import PayloadRef as Parcel
from cloudkon.model import __all__ as _model

__all__ = ["Outline", "Parcel", "Record", *_model]  # noqa: PLE0604  (names of the model)
