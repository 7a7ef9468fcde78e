"""``python -m tests.benchmarks``: the table of :mod:`tests.benchmarks.bench`."""

import sys

from tests.benchmarks.bench import main

if __name__ == "__main__":  # a process that measures memory imports this module under another name
    sys.exit(main())
