"""`python -m leafnode` is the `leafnode` command."""

import sys

from leafnode.cli.main import main

sys.exit(main())
