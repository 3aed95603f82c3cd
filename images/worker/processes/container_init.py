"""Makes sure that a container's first process reaps orphans and forwards signals, as Linux expects of it."""

import os
import shutil
import sys

INIT = "tini"
"""The images contain it, and their entry point begins with it."""


def run_under_init() -> None:
    """Run this program again under the init if it is the first process itself; otherwise do nothing.

    That is the case in an image with an entry point of its own, since the fleet's templates add no init (ECS's has the
    container's environment, which any process of the same user may read). Then command lines that tasks leave behind
    would stay as zombies for ever. The process id stays; where there is no init, the program goes on without one.
    """
    if os.getpid() != 1:
        return
    init = shutil.which(INIT)
    if init is not None:
        os.execv(init, [INIT, "-s", "--", sys.executable, *sys.orig_argv[1:]])  # noqa: S606  (no shell is wanted)
