"""Starts the command line: ``python -m client``."""

import sys

if __name__ == "__main__":
    try:
        from .cli.main import main

        code = main()
    except KeyboardInterrupt:
        # During the import, or at the very end.
        sys.stderr.write("error: interrupted. You can run the same command again\n")
        code = 130
    sys.exit(code)
