"""`python -m wengert.cli`: the command without its installed script. Imports this room alone."""

import sys

from wengert.cli import main

if __name__ == "__main__":
    sys.exit(main())
