"""`python -m leafnode` is the `leafnode` command."""

import sys

from leafnode.cli.start import main

sys.exit(main())
