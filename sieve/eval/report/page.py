"""``echosieve report``: docs/RESULTS.md from the results in the repository. Pure but for files.

What is named is folded into ``docs/figures`` first: folders of the suite, the JSON of a study of
trainings, that of a distillation, that of a training made anew. Then everything is written anew, so
the same JSON always gives the same text.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path

from sieve.checkpoint import weights_of
from sieve.errors import SettingInvalid
from sieve.eval.outcomes import Journal
from sieve.eval.report.density import density_section
from sieve.eval.report.effects import abilities_section, ablations_section, kinds_section
from sieve.eval.report.memory import horizon_section, memory_section, newest_section
from sieve.eval.report.missing import earlier_section, left_out_section, missing_section
from sieve.eval.report.regret import regret_section
from sieve.eval.report.results import Results, results
from sieve.eval.report.summary import summary
from sieve.eval.report.tables import (
    accuracies,
    calibration_section,
    default_section,
    main_section,
    settings_section,
)
from sieve.eval.report.targets import CARD, Evidence, targets
from sieve.eval.report.trainings import distilled_section, folded, study_section

DOCS = Path("docs")
STUDIES, TRAININGS, DISTILLED = "results", "trainings", "distilled"  # below docs/figures
REPRODUCED = "reproduced"
SHIPPED = Path(__file__).parents[2] / "demo" / "accuracy.json"  # the built-in model's card
WITH_SECTION = (
    "arms",
    "streams",
    "ablations",
    "abilities",
    "memory",
    "newest",
    "horizon",
    "regret",
)
HEAD = """# Results

Written by `echosieve report` (`make report`) from the JSON in `docs/figures`; do not edit it. How
the figures come about: `docs/EVALUATION.md`. Accuracies are in per cent, the mean over the kinds of
questions; in brackets the 95 % interval of a bootstrap over cases, for differences a paired one.
Where all or none of the answers was right a bootstrap knows no spread: there it says of how many.
A dash: not run, or a budget below the method's floor (`docs/METHODS.md`).
"""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that stands in the repository: the suite's ``studies`` by name, the study of
    ``trainings``, what was ``distilled`` from recordings, the accuracy of a training that was
    ``reproduced``; the ``weights`` that the built-in model has now, and its ``card``."""

    studies: dict[str, Results] = field(default_factory=dict)
    trainings: Results | None = None
    distilled: Results | None = None
    reproduced: Results | None = None
    weights: str = ""
    card: Results | None = None

    @property
    def evidence(self) -> Evidence:
        """What targets are held against."""
        documents = (self.studies, self.trainings, self.distilled, self.reproduced)
        return Evidence(*documents, self.card, self.weights)

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
        help="to take in: folders of the suite, JSON of make study, of make distil, or of "
        "python -m sieve.eval.accuracy for a training made anew",
    )
    parser.add_argument("--docs", type=Path, default=DOCS, metavar="FOLDER")


def run(args: argparse.Namespace) -> int:
    """Fold, write, draw. Raises SettingInvalid for what holds no results."""
    figures = args.docs / "figures"
    if not args.runs and not figures.is_dir():
        raise SettingInvalid(f"--docs: {args.docs} has no folder figures, in which results stand")
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
    if isinstance(found, dict) and {*CARD, "model", "accuracy"} <= found.keys():
        return REPRODUCED, found
    raise SettingInvalid(
        f"{path} holds neither a study of trainings nor a distillation nor a model's accuracy"
    )


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
        _load_one(figures / f"{REPRODUCED}.json"),
        weights_of("demo"),
        _load_one(SHIPPED),
    )


def _load_one(path: Path) -> Results | None:
    return json.loads(path.read_text()) if path.exists() else None


def text(findings: Findings) -> str:
    """All of docs/RESULTS.md: first in short, the tables of single abilities last."""
    found, evidence = findings.studies, findings.evidence
    sections = [
        HEAD,
        summary(evidence),
        targets(evidence),
        main_section(found),
        kinds_section(found.get("arms")),
        default_section(found.get("arms")),
        ablations_section(found.get("ablations")),
        study_section(findings.trainings),
        distilled_section(findings.distilled),
        memory_section(found.get("memory")),
        newest_section(found.get("newest"), found.get("memory")),
        regret_section(found.get("regret")),
        horizon_section(found.get("horizon")),
        density_section(found),
        _others(found),
        calibration_section(found),
        settings_section(found),
        missing_section(found, findings.trainings, findings.distilled),
        earlier_section(findings.measured, findings.weights),
        left_out_section(found),
        abilities_section(found.get("abilities")),
        accuracies("abilities", found.get("abilities")),
    ]
    return "\n".join(section for section in sections if section)


def _others(found: dict[str, Results]) -> str:
    """Accuracies of studies that have no section of their own."""
    parts = [accuracies(name, study) for name, study in found.items() if name not in WITH_SECTION]
    return "\n".join(["## Further accuracies\n", *parts]) if any(parts) else ""
