"""Runs ``python -m images.worker``. Slot processes import this module again, so it imports nothing at the top."""

if __name__ == "__main__":
    from cloudkon.terminal import prepare_streams

    from .cli import main
    from .processes.container_init import run_under_init

    run_under_init()
    prepare_streams()
    main()
