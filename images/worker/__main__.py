"""Runs ``python -m images.worker``. Slot processes import this module again, so it imports nothing at the top."""

if __name__ == "__main__":
    from .cli import main

    main()
