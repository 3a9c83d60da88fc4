"""The benchmarks there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark: its loader, and how many questions it was published with."""

    name: str
    load: Callable[[Folder, Loading], None]
    published: int


BENCHMARKS = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark("worldsense", worldsense.load, 3172),
        Benchmark("dailyomni", dailyomni.load, 1197),
        Benchmark("videomme", videomme.load, 2700),
        Benchmark("mlvu", mlvu.load, 2174),
        Benchmark("ovobench", ovobench.load, 1640),
        Benchmark("streamingbench", streamingbench.load, 4500),
    )
}


def load(name: str, directory: Path) -> Loading:
    """All questions of a benchmark, and the entries that cannot be asked.

    Raises BenchmarkError where its files are not there or nothing in them can be asked.
    """
    loading = Loading()
    BENCHMARKS[name].load(Folder(directory), loading)
    if not loading.items:
        first = loading.left_out[0] if loading.left_out else None
        why = f"; the first: {first.where}: {first.reason}" if first else ""
        raise BenchmarkError(
            f"nothing in {directory} can be asked: {len(loading.left_out)} entries left out{why}"
        )
    return loading
