"""Plots of the results, as PNG. They say nothing that the tables of docs/RESULTS.md do not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from cycler import cycler

mpl.use("Agg")

from matplotlib import colormaps
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sieve.eval.arms import Budget
from sieve.eval.report.density import is_constant
from sieve.eval.report.markdown import FEW
from sieve.eval.report.memory import groups_of
from sieve.eval.report.names import called

Results = dict[str, Any]
COLOURS = colormaps["tab10"].colors  # type: ignore[attr-defined]
mpl.rcParams["axes.prop_cycle"] = cycler(linestyle=("-", "--")) * cycler(color=COLOURS)
PANELS = 6
AGES_S = (1, 4, 16, 64, 256, 1024)
SHOWN = (
    "sieve",
    "oracle",
    "per-modality top-k",
    "refined-fastav",
    "refined-similarity",
    "refined-random",
    "recent-N",
)


def draw(found: dict[str, Results], folder: Path) -> list[Path]:
    """Writes every plot there are results for; returns their files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, figure in _figures(found):
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
        plt.close(figure)
        written.append(path)
    return written


def _figures(found: dict[str, Results]) -> Iterator[tuple[str, Figure]]:
    if "arms" in found:
        yield "arms", _arms(found["arms"])
    balance = [line for study in found.values() for line in study["balance"]]
    balance = [line for line in balance if not is_constant(line)]
    if balance:
        yield "balance", _balance(balance)
    if "memory" in found and found["memory"]["ages"]:
        yield "memory", _memory(found["memory"])
    if "horizon" in found and found["horizon"]["moments"]:
        yield "horizon", _horizon(found["horizon"])


def _panels(names: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """A row of plots under one scale of accuracy."""
    figure, axes = plt.subplots(
        1, len(names), figsize=(5.0 * len(names), 3.8), sharey=True, squeeze=False
    )
    for panel, name in zip(axes[0], names, strict=True):
        panel.set_title(name)
        panel.grid(alpha=0.3)
    axes[0][0].set_ylabel("accuracy, %")
    return figure, list(axes[0])


def _legend(panel: Axes) -> None:
    """Beside the plot, where it hides nothing."""
    panel.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)


def _arms(study: Results) -> Figure:
    """Accuracy against retention."""
    tasks = list(study["tasks"])
    figure, panels = _panels(tasks)
    for panel, task in zip(panels, tasks, strict=True):
        live = [c for c in study["cells"] if c["task"] == task and c["mode"] == "streamed"]
        for arm in SHOWN:
            cells = [c for c in live if c["arm"] == arm]
            _line(panel, arm, [(100 * Budget.named(c["budget"]).retention, c) for c in cells])
        for cell in live:
            if cell["arm"] in ("full", "blind"):
                panel.axhline(cell["accuracy"][0], ls=":", c="0.5")
                panel.annotate(cell["arm"], (5, cell["accuracy"][0]), va="bottom", color="0.4")
        panel.set_xscale("log")
        panel.set_xticks([5, 10, 20, 40], ["5", "10", "20", "40"])
        panel.minorticks_off()
        panel.set_xlabel("tokens kept, %")
    _legend(panels[-1])
    return figure


def _line(panel: Axes, name: str, points: Sequence[tuple[float, Results]]) -> None:
    """Accuracies with their intervals at places, in order of the places."""
    if not points:
        return
    ordered = sorted(points, key=lambda point: point[0])
    places = [place for place, _ in ordered]
    value, low, high = zip(*(cell["accuracy"] for _, cell in ordered), strict=True)
    panel.plot(places, value, marker="o", ms=3, label=name)
    panel.fill_between(places, _numbers(low), _numbers(high), alpha=0.12)


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _balance(lines: Sequence[Results]) -> Figure:
    """The share of sound kept against its true share."""
    live = [line for line in lines if line["mode"] == "streamed"] or lines
    tenth = [line for line in live if line["budget"] == "10 %" and line["arm"] in SHOWN]
    arms = tenth or live[:PANELS]
    figure, panels = _panels([line["arm"] for line in arms])
    for panel, line in zip(panels, arms, strict=True):
        true, kept = zip(*line["points"], strict=True)
        panel.scatter(true, kept, s=14, alpha=0.6)
        panel.plot([0, 1], [0, 1], ls=":", c="0.5")
        panel.set_xlabel("share of sound among what is there")
    panels[0].set_ylabel("share of sound among what is kept")
    return figure


def _memory(study: Results) -> Figure:
    """Accuracy against the age of the evidence, a panel for every budget."""
    budgets = sorted(
        {line["budget"] for line in study["ages"]}, key=lambda b: Budget.named(b).slots
    )
    figure, panels = _panels(budgets)
    told = [line for line in study["ages"] if line["questions"] >= FEW]
    for panel, budget in zip(panels, budgets, strict=True):
        lines = [line for line in told if line["budget"] == budget]
        for arms in groups_of(study["ages"]).values():
            own = [line for line in lines if line["arm"] == arms[0]]
            _line(panel, _together(arms), [(_middle(line["age_s"]), line) for line in own])
        panel.set_xscale("log")
        panel.set_xticks(AGES_S, [f"{age:g}" for age in AGES_S])
        panel.minorticks_off()
        panel.set_xlabel("age of the evidence, s")
    _legend(panels[-1])
    return figure


def _middle(band: Sequence[float]) -> float:
    """The geometric middle; of the first band, its half."""
    return float((max(band[0], 1.0) * band[1]) ** 0.5)


def _together(arms: Sequence[str]) -> str:
    """Arms that are one line."""
    return " = ".join(map(called, arms))


def _horizon(study: Results) -> Figure:
    """Accuracy against the minute of the stream, a panel for every task."""
    told = [line for line in study["moments"] if line["questions"] >= FEW]
    tasks = list(dict.fromkeys(line["task"] for line in told))
    figure, panels = _panels(tasks)
    for panel, task in zip(panels, tasks, strict=True):
        lines = [line for line in told if line["task"] == task]
        for arms in groups_of(lines, intervals=False).values():
            own = [line for line in lines if line["arm"] == arms[0]]
            _line(panel, _together(arms), [(sum(line["at_s"]) / 120, line) for line in own])
        panel.axvline(32_768 / 25 / 60, ls=":", c="0.5")
        panel.set_xlabel("minute of the stream")
        _legend(panel)
    return figure
