"""Starts ``python -m images.animoto``.

Slot processes import this module again, so it imports nothing at module level.
"""

if __name__ == "__main__":
    from cloudkon.terminal import prepare_streams

    from .cli import main

    prepare_streams()
    main()
