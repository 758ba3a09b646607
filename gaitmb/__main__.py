"""``python -m gaitmb``: the command line."""

import sys

from gaitmb.cli import main

if __name__ == "__main__":
    sys.exit(main())
