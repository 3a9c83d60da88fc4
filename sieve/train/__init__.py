"""Training of the built-in model: ``python -m sieve.train --recipe demo --out DIR``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

__all__ = ["add_arguments", "main", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", choices=("demo", "rehearsal"), default="demo")
    parser.add_argument("--out", type=Path, required=True, help="directory of the finished model")
    parser.add_argument(
        "--run",
        type=Path,
        default=Path("runs/train"),
        help="folder of the run: log and checkpoints; an interrupted run in it goes on",
    )
    parser.add_argument("--threads", type=int, default=2, help="processor threads")


def run(args: argparse.Namespace) -> int:
    """Trains and writes the model directory; returns a process exit code."""
    import torch

    from sieve.train.export import export
    from sieve.train.pipeline import Run
    from sieve.train.recipe import RECIPES

    torch.set_num_threads(args.threads)
    training = Run(RECIPES[args.recipe], args.run)
    export(training.finish(), training.tokenizer, args.out)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="echosieve train", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(argv))
