"""``python -m client``."""

import sys

from client.cli.program import main

sys.exit(main())
