"""Training; ``echosieve train --help``.

Two trainers: ``demo`` makes the built-in model from nothing on the synthetic ``world``;
``backbone`` makes a sieve for any Qwen2.5-Omni. What both need stands here: ``estimators``,
``optimise``, ``saving``, ``bulletin``, ``team``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from sieve.train.command import add_arguments, run

__all__ = ["add_arguments", "main", "run"]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="echosieve train", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(argv))
