"""``echosieve report``: docs/RESULTS.md from the results in the repository. Pure but for files.

What is named is folded into ``docs/figures`` first: folders of the suite, the JSON of a study of
trainings, that of a distillation. Then everything is written anew, so the same JSON always gives
the same text.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sieve.checkpoint import weights_of
from sieve.errors import SettingInvalid
from sieve.eval.arms import Budget
from sieve.eval.outcomes import Journal
from sieve.eval.report.effects import abilities_section, ablations_section, kinds_section
from sieve.eval.report.markdown import number, points, table
from sieve.eval.report.missing import earlier_section, left_out_section, missing_section
from sieve.eval.report.results import Results, results
from sieve.eval.report.targets import targets
from sieve.eval.report.trainings import distilled_section, folded, study_section

DOCS = Path("docs")
STUDIES, TRAININGS, DISTILLED = "results", "trainings", "distilled"  # below docs/figures
HEAD = """# Results

Written by `echosieve report` (`make report`) from the JSON in `docs/figures`; do not edit it. How
the figures come about: `docs/EVALUATION.md`. Accuracies are in per cent, the mean over the kinds of
questions; in brackets the 95 % interval of a bootstrap over cases, for differences a paired one.
A dash: not run, or a budget below the method's floor (`docs/METHODS.md`).
"""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that stands in the repository: the suite's ``studies`` by name, the study of
    ``trainings``, and what was ``distilled`` from recordings; the ``weights`` that the built-in
    model has now."""

    studies: dict[str, Results] = field(default_factory=dict)
    trainings: Results | None = None
    distilled: Results | None = None
    weights: str = ""

    @property
    def measured(self) -> dict[str, Results]:
        """All that was measured with one model, by its file."""
        found = {f"{STUDIES}/{name}": study for name, study in self.studies.items()}
        return found | ({DISTILLED: self.distilled} if self.distilled else {})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs",
        nargs="*",
        type=Path,
        metavar="RUN",
        help="to take in: folders of the suite, JSON of make study or of make distil",
    )
    parser.add_argument("--docs", type=Path, default=DOCS, metavar="FOLDER")


def run(args: argparse.Namespace) -> int:
    """Fold, write, draw. Raises SettingInvalid for what holds no results."""
    figures = args.docs / "figures"
    for path in args.runs:
        take_in(path, figures)
    found = load(figures)
    (args.docs / "RESULTS.md").write_text(text(found))
    from sieve.eval.report.plots import draw

    for name in draw(found.studies, figures):
        print(name)
    print(args.docs / "RESULTS.md")
    return 0


def take_in(path: Path, figures: Path) -> None:
    """What a run has found, compact, into ``figures``. Raises SettingInvalid."""
    if path.is_file():
        name, found = _document(path)
        place = figures / f"{name}.json"
    else:
        journal = Journal(path)
        setting, outcomes = journal.setting(), journal.outcomes()
        if not outcomes:
            raise SettingInvalid(f"{path} holds no finished cell yet")
        place = figures / STUDIES / f"{path.resolve().name}.json"
        found = results(outcomes, setting, journal.left_out())
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(_lines(found))


def _document(path: Path) -> tuple[str, Results]:
    """The name and the content of a document of its own. Raises SettingInvalid."""
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise SettingInvalid(f"{path} is no JSON: {error}") from error
    if isinstance(found, dict) and {"steps", "arms"} <= found.keys():
        return TRAININGS, folded(found)
    if isinstance(found, dict) and {"setting", "with", "without"} <= found.keys():
        return DISTILLED, found
    raise SettingInvalid(f"{path} holds neither a study of trainings nor a distillation")


def _lines(found: Results) -> str:
    """JSON with one entry a line: compact, and fit for a diff."""
    parts = []
    for name, value in found.items():
        if isinstance(value, list):
            entries = ",\n  ".join(json.dumps(entry) for entry in value)
            parts.append(f' "{name}": [\n  {entries}\n ]' if value else f' "{name}": []')
        else:
            parts.append(f' "{name}": {json.dumps(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def load(figures: Path) -> Findings:
    """All results there are."""
    studies = sorted((figures / STUDIES).glob("*.json"))
    return Findings(
        {path.stem: json.loads(path.read_text()) for path in studies},
        _load_one(figures / f"{TRAININGS}.json"),
        _load_one(figures / f"{DISTILLED}.json"),
        weights_of("demo"),
    )


def _load_one(path: Path) -> Results | None:
    return json.loads(path.read_text()) if path.exists() else None


def text(findings: Findings) -> str:
    """All of docs/RESULTS.md."""
    found = findings.studies
    sections = [
        HEAD,
        missing_section(found, findings.trainings, findings.distilled),
        earlier_section(findings.measured, findings.weights),
        _settings(found),
        targets(found, findings.trainings, findings.distilled),
        *(_accuracies(name, study) for name, study in found.items()),
        kinds_section(found.get("arms")),
        ablations_section(found.get("ablations")),
        abilities_section(found.get("abilities")),
        study_section(findings.trainings),
        distilled_section(findings.distilled),
        _balance(found),
        _ages(found.get("memory")),
        _horizon(found.get("horizon")),
        _regret(found.get("regret")),
        _calibration(found),
        left_out_section(found),
    ]
    return "\n".join(section for section in sections if section)


def _settings(found: dict[str, Results]) -> str:
    rows = [
        (
            f"{name}: {task}",
            str(study["setting"]["model"]),
            ", ".join(str(seed) for seed in told["seeds"]),
            str(told["cases"]),
            str(sum(told["questions"].values())),
            f"{told['majority']:.1f}",
            f"{told['chance']:.1f}",
        )
        for name, study in found.items()
        for task, told in study["tasks"].items()
    ]
    if not rows:
        return ""
    columns = ("study: task", "model", "seeds", "cases", "questions", "majority", "chance")
    said = (
        "Majority: who always gives a kind's most frequent answer. Chance: who knows what occurs "
        "in the clip, but neither when nor together with what.\n"
    )
    return f"## What was asked\n\n{said}\n{table(columns, rows)}"


def _accuracies(name: str, study: Results) -> str:
    """Every arm at every budget, one table for each task and mode."""
    parts = []
    for task, mode in _unique((cell["task"], cell["mode"]) for cell in study["cells"]):
        cells = [cell for cell in study["cells"] if (cell["task"], cell["mode"]) == (task, mode)]
        budgets = _budgets(cells)
        at = {(cell["arm"], cell["budget"]): cell["accuracy"] for cell in cells}
        arms = _unique(cell["arm"] for cell in cells)
        rows = [(arm, *(points(at.get((arm, budget))) for budget in budgets)) for arm in arms]
        parts.append(f"## {name}: {task}, {mode}\n\n{table(('arm', *budgets), rows)}")
    return "\n".join(parts)


def _unique(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _budgets(cells: Iterable[Results]) -> list[str]:
    """Names of budgets, the largest first."""
    found = (Budget.named(name) for name in _unique(cell["budget"] for cell in cells))
    return [b.name for b in sorted(found, key=lambda b: (b.retention, b.slots), reverse=True)]


def _balance(found: dict[str, Results]) -> str:
    lines = [line for study in found.values() for line in study["balance"]]
    rows = [
        (line["arm"], line["budget"], line["mode"], str(line["cases"]), number(line["spearman"]))
        for line in lines
    ]
    if not rows:
        return ""
    said = (
        "Rank correlation between the share of sound among the kept tokens and its share among "
        "those that show or sound something (T3). A fixed share a modality cannot follow.\n\n"
        "![shares](figures/balance.png)\n"
    )
    columns = ("arm", "budget", "mode", "cases", "Spearman")
    return f"## Does the budget follow the content?\n\n{said}\n{table(columns, rows)}"


def _ages(study: Results | None) -> str:
    if study is None:
        return ""
    parts = ["## Memory: accuracy by the age of the evidence\n", "![ages](figures/memory.png)\n"]
    for budget in _budgets(study["ages"]):
        lines = [line for line in study["ages"] if line["budget"] == budget]
        ages = sorted(_unique(tuple(line["age_s"]) for line in lines))
        at = {(line["arm"], tuple(line["age_s"])): line["accuracy"] for line in lines}
        rows = [
            (arm, *(_value(at.get((arm, age))) for age in ages))
            for arm in _unique(line["arm"] for line in lines)
        ]
        parts.append(table((budget, *(f"{low:g}-{high:g} s" for low, high in ages)), rows))
    return "\n".join(parts)


def _value(interval: Sequence[float] | None) -> str:
    return "–" if interval is None else f"{interval[0]:.1f}"


def _horizon(study: Results | None) -> str:
    if study is None:
        return ""
    moments = sorted(_unique(tuple(line["at_s"]) for line in study["moments"]))
    at = {(line["arm"], tuple(line["at_s"])): line["accuracy"] for line in study["moments"]}
    rows = [
        (arm, *(points(at.get((arm, moment))) for moment in moments))
        for arm in _unique(line["arm"] for line in study["moments"])
    ]
    said = (
        "Accuracy by the minute of the stream at which a question was put. The backbone's "
        "positions reach 21.8 minutes back.\n\n![horizon](figures/horizon.png)\n"
    )
    columns = ("arm", *(f"{low / 60:g}-{high / 60:g} min" for low, high in moments))
    return f"## Past the horizon\n\n{said}\n{table(columns, rows)}"


def _regret(study: Results | None) -> str:
    if study is None:
        return ""
    rows = [
        (line["arm"], line["task"], line["budget"], points(line["regret"], signed=True))
        for line in study["regret"]
    ]
    said = (
        "Points by which the whole clip, sieved with the question known, is ahead of the stream, "
        "sieved window by window before it is known. Same questions, same moment. A model that was "
        "taught on windows, as the built-in one was, reads a whole clip as a window of a length it "
        "never saw: that alone can make the regret negative.\n"
    )
    columns = ("arm", "task", "budget", "regret")
    return f"## What causality costs\n\n{said}\n{table(columns, rows)}"


def _calibration(found: dict[str, Results]) -> str:
    rows = [
        (line["arm"], f"{name}: {line['task']}", line["budget"], f"{line['error']:.1f}")
        for name, study in found.items()
        for line in study["calibration"]
        if line["arm"] in ("full", "sieve") and line["mode"] == "streamed"
    ]
    if not rows:
        return ""
    said = "Expected calibration error of answers with yes or no, ten bins, in points.\n"
    columns = ("arm", "study: task", "budget", "error")
    return f"## Calibration\n\n{said}\n{table(columns, rows)}"
