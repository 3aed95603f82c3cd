"""Handles an ``animoto`` instruction for the worker."""

import trio

from cloudkon.handler import Context
from cloudkon.instructions.animoto import parse_animoto


def animoto(arguments: str, context: Context) -> str:
    """Make and store the video.

    Return its ``s3://`` address, the poster's if the job asks for one, and what is missing. This runs in a slot
    process, which may be killed at any time: ffmpeg is then killed with it, and the worker removes the scratch
    directory. Raises ``InvalidInstruction``, ``PermanentFailure`` that names each picture that can't be used, or
    another ``CloudKonError`` where a next attempt may succeed.
    """
    # Imported here, because the worker's own process imports this module too and must stay below 90 MB when idle.
    from cloudkon.aws import connect  # noqa: PLC0415  (see above)

    from .ffmpeg.memory_allocation import give_back_large_blocks, limited_memory  # noqa: PLC0415  (see above)
    from .video import make_video  # noqa: PLC0415  (see above)

    give_back_large_blocks()
    job = parse_animoto(arguments)
    store = connect(context.settings, context.log).store
    with limited_memory(context.settings.animoto_memory_mib):
        return trio.run(make_video, job, context, store)
