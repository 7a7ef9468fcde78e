"""``python -m tests.matrix``: see :mod:`tests.matrix.command`."""

import sys

from tests.matrix.command import main

if __name__ == "__main__":  # a process that measures memory imports this module under another name
    sys.exit(main())
