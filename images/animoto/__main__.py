"""``python -m images.animoto``. Slot processes import this module again, so it imports nothing by itself."""

if __name__ == "__main__":
    from .cli import main

    main()
