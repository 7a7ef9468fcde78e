"""``python -m tests.benchmarks``: the table of :mod:`tests.benchmarks.bench`."""

import sys

from tests.benchmarks.bench import main

sys.exit(main())
