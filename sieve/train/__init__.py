"""Training: the built-in model, or a sieve for a real backbone; ``echosieve train --help``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from sieve.train.command import add_arguments, run

__all__ = ["add_arguments", "main", "run"]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="echosieve train", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(argv))
