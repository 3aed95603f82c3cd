"""Starts ``python -m images.animoto``.

Slot processes import this module again, so it imports nothing at module level.
"""

if __name__ == "__main__":
    from cloudkon.terminal import prepare_streams

    from ..worker.processes.container_init import run_under_init
    from .cli import main

    run_under_init()
    prepare_streams()
    main()
