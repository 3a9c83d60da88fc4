"""The benchmarks there are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sieve.errors import BenchmarkError
from sieve.eval.benchmarks import (
    dailyomni,
    mlvu,
    ovobench,
    streamingbench,
    videomme,
    worldsense,
)
from sieve.eval.benchmarks.entries import Folder, Loading

LOADERS: dict[str, Callable[[Folder, Loading], None]] = {
    "worldsense": worldsense.load,
    "dailyomni": dailyomni.load,
    "videomme": videomme.load,
    "mlvu": mlvu.load,
    "ovobench": ovobench.load,
    "streamingbench": streamingbench.load,
}


def load(name: str, directory: Path) -> Loading:
    """All questions of a benchmark, and the entries that cannot be asked.

    Raises BenchmarkError where its files are not there or nothing in them can be asked.
    """
    loading = Loading()
    LOADERS[name](Folder(directory), loading)
    if not loading.items:
        first = loading.left_out[0] if loading.left_out else None
        why = f"; the first: {first.where}: {first.reason}" if first else ""
        raise BenchmarkError(
            f"nothing in {directory} can be asked: {len(loading.left_out)} entries left out{why}"
        )
    return loading
