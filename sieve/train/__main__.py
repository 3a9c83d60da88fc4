"""``python -m sieve.train``."""

import sys

from sieve.train import main

if __name__ == "__main__":
    sys.exit(main())
