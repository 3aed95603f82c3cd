"""Starts ``python -m images.animoto``.

Slot processes import this module again, so it imports nothing at module level.
"""

if __name__ == "__main__":
    from .cli import main

    main()
