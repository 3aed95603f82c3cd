"""``python -m client``."""

import sys

if __name__ == "__main__":
    try:
        from .cli.main import main

        code = main()
    except KeyboardInterrupt:
        # While that was imported, or at the very end.
        sys.stderr.write("error: interrupted. The same command may be given again\n")
        code = 130
    sys.exit(code)
