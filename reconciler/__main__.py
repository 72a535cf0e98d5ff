"""``python -m reconciler``: the command line, and nothing else."""

import sys

from reconciler.commands import main

sys.exit(main())
