"""Runs the trial on a real account: ``python -m tests.aws trial``, or ``clean`` after one that was killed.

This costs money: see docs/operations.md, "A trial on a real account".
"""

import os
import sys

from cloudkon.errors import EXIT_FAILED, EXIT_INTERRUPTED, CloudKonError
from cloudkon.terminal import say, say_error
from tests.aws.trial import clean, trial

COMMANDS = {"trial": trial, "clean": clean}


def main() -> int:
    """Run one command; return the exit code."""
    words = sys.argv[1:]
    if len(words) != 1 or words[0] not in COMMANDS:
        say_error(f"one of these words must follow: {', '.join(COMMANDS)}")
        return 2
    try:
        wrong = COMMANDS[words[0]](dict(os.environ), say)
    except CloudKonError as error:
        say_error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        say_error("interrupted; the line above says whether anything is left")
        return EXIT_INTERRUPTED
    for one in wrong:
        say_error(one)
    return EXIT_FAILED if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
