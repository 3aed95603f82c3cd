"""Starts the command line: ``python -m client``."""

import sys

from cloudkon.terminal import say_error

if __name__ == "__main__":
    try:
        from .cli.main import main

        code = main()
    except KeyboardInterrupt:
        # During the import, or at the very end.
        say_error("interrupted. You can run the same command again")
        code = 130
    sys.exit(code)
