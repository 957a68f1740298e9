"""``python -m wengert`` is the ``wengert`` command.

Imports the command line. Invariant: nothing else stands here.
"""

import sys

from wengert.cli import main

if __name__ == "__main__":
    sys.exit(main())
