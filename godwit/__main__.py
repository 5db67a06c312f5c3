"""`python -m godwit`."""

import sys

from godwit.cli import run

sys.exit(run())
