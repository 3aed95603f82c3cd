"""Handler: what the worker calls for an ``animoto`` instruction."""

import trio

from cloudkon.handler import Context
from cloudkon.instructions.animoto import parse_animoto


def animoto(arguments: str, context: Context) -> str:
    """Make the video, store it, and give its ``s3://`` address, a poster's if asked for, and what is missing.

    Runs in a slot process, which may be killed at any time: ffmpeg then dies with it, and the scratch directory is the
    worker's to remove. Raises ``InvalidInstruction``, ``PermanentFailure`` that names each picture that can't be had,
    or another ``CloudKonError`` for what a next attempt may mend.
    """
    # Here, because the worker's own process imports this module as well, and idle it should stay below 90 MB.
    from cloudkon.aws import connect  # noqa: PLC0415  (see above)

    from .ffmpeg.memory_allocation import give_back_large_blocks  # noqa: PLC0415  (see above)
    from .video import make_video  # noqa: PLC0415  (see above)

    give_back_large_blocks()
    job = parse_animoto(arguments)
    return trio.run(make_video, job, context, connect(context.settings, context.log).store)
