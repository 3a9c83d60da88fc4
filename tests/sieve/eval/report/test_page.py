"""docs/RESULTS.md is what the command writes from the JSON beside it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from sieve.checkpoint import weights_of
from sieve.errors import SettingInvalid
from sieve.eval.outcomes import Journal
from sieve.eval.report.page import SHIPPED, Findings, add_arguments, load, run, take_in, text
from sieve.eval.report.results import results
from sieve.eval.report.tables import TIGHT, cells_of
from tests.sieve.eval import made

DOCS = Path(__file__).parents[4] / "docs"


def test_the_results_in_the_repository_are_what_the_command_writes() -> None:
    assert text(load(DOCS / "figures")) == (DOCS / "RESULTS.md").read_text()


def test_it_begins_in_short_and_ends_with_single_abilities() -> None:
    written = text(load(DOCS / "figures"))
    order = (
        "## In short",
        "## Targets",
        "## What each method keeps, live",
        "## Ablations at 20 %",
        "## Memory",
        "## What causality costs",
        "## Past the horizon",
        "## Does the budget follow the content?",
        "## What is missing",
        "## Which ability needs which part",
        "### abilities: T1, streamed",
    )
    places = [written.index(heading) for heading in order if heading in written]
    assert len(places) > 5
    assert places == sorted(places)
    assert "\n## " not in written[places[-1] :]


def test_the_readme_quotes_the_figures_of_the_comparison() -> None:
    study = load(DOCS / "figures").studies["arms"]
    full = cells_of(study, "clips", "100 %")["full"]["accuracy"][0]
    kept = [cells_of(study, "clips", budget)["sieve"]["accuracy"][0] for budget in TIGHT]
    shares = "{:.0f}, {:.0f} and {:.0f}".format(*(100 * accuracy / full for accuracy in kept))
    quoted = f"({full:.1f} on clips; of that the sieve keeps {shares} per cent"
    assert quoted in (DOCS.parent / "README.md").read_text()


def test_every_plot_that_is_drawn_is_shown() -> None:
    written = (DOCS / "RESULTS.md").read_text()
    drawn = [path.name for path in (DOCS / "figures").glob("*.png")]
    assert [name for name in drawn if f"](figures/{name})" not in written] == []


def test_a_distillation_names_the_method_that_was_measured_beside_it() -> None:
    found = made.distilled()
    assert "| no sieve (below 100 %: similarity) |" in text(Findings(distilled=found))
    found["setting"]["selector"] = "uniform"
    assert "| no sieve (below 100 %: uniform) |" in text(Findings(distilled=found))


def test_a_study_without_a_section_of_its_own_is_told_too() -> None:
    written = text(Findings({"mine": results(made.study(), {"model": "demo"})}))
    assert "### mine: clips, streamed" in written


def test_the_accuracy_of_a_training_made_anew_is_taken_in(tmp_path: Path) -> None:
    again = json.loads(SHIPPED.read_text())
    path = tmp_path / "again.json"
    path.write_text(json.dumps(again | {"model": "runs/again"}))
    docs = tmp_path / "docs"
    assert run(_arguments(str(path), "--docs", str(docs))) == 0
    assert load(docs / "figures").reproduced == again | {"model": "runs/again"}


def test_every_plot_it_shows_is_there() -> None:
    shown = [part.split(")")[0] for part in (DOCS / "RESULTS.md").read_text().split("](")[1:]]
    assert [path for path in shown if not (DOCS / path).exists()] == []


def _arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(given)


@pytest.fixture
def arms(tmp_path: Path) -> Path:
    journal = Journal(tmp_path / "arms")
    journal.begin({"model": "demo", "trained": None})
    journal.append(made.study())
    return tmp_path / "arms"


def test_a_run_is_taken_in_told_and_drawn(
    arms: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = tmp_path / "docs"
    assert run(_arguments(str(arms), "--docs", str(docs))) == 0
    written = (docs / "RESULTS.md").read_text()
    assert "## arms: clips, streamed" in written
    assert "| clips: ahead of random on refined tokens at 10 % | ≥ 25 |" in written
    picture = docs / "figures" / "arms.png"
    assert str(picture) in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert run(_arguments("--docs", str(docs))) == 0
    assert (docs / "RESULTS.md").read_text() == written


def test_a_folder_without_outcomes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="no run"):
        take_in(tmp_path / "nothing", tmp_path / "figures")
    Journal(tmp_path / "begun").begin({"model": "demo"})
    with pytest.raises(SettingInvalid, match="no finished cell"):
        take_in(tmp_path / "begun", tmp_path / "figures")


def test_results_on_disk_are_the_results(arms: Path, tmp_path: Path) -> None:
    take_in(arms, tmp_path / "figures")
    told = results(made.study(), {"model": "demo", "trained": None})
    studies = {"arms": json.loads(json.dumps(told))}
    card = json.loads(SHIPPED.read_text())
    expected = Findings(studies, weights=weights_of("demo"), card=card)
    assert load(tmp_path / "figures") == expected


def test_ablations_stand_beside_the_papers() -> None:
    written = text(Findings({"ablations": results(made.study(), {"model": "demo"})}))
    (line,) = [line for line in written.splitlines() if line.startswith("| causal refiner | clips")]
    assert line.endswith("| -4.6 | yes |") or line.endswith("| -4.6 | not shown |")


def test_nothing_is_told_of_studies_that_were_not_run() -> None:
    written = text(Findings())
    assert written.startswith("# Results")
    assert "## Targets" not in written
    assert "## Ablations" not in written


def test_a_study_of_trainings_and_a_distillation_are_taken_in_beside_the_suite(
    tmp_path: Path,
) -> None:
    docs = tmp_path / "docs"
    given = [tmp_path / name for name in ("study.json", "distilled.json")]
    for path, document in zip(given, (made.trainings(), made.distilled()), strict=True):
        path.write_text(json.dumps(document))
    assert run(_arguments(*(str(path) for path in given), "--docs", str(docs))) == 0
    written = (docs / "RESULTS.md").read_text()
    assert "## Ablations by training" in written
    assert "## A sieve from recordings without labels" in written
    assert "| distilled from recordings at 20 %, per cent of full | ≥ 97 | 100.0 |" in written
    assert run(_arguments("--docs", str(docs))) == 0
    assert (docs / "RESULTS.md").read_text() == written


@pytest.mark.parametrize(
    ("content", "told"), [("{", "is no JSON"), ("[]", "neither"), ('{"steps": 3}', "neither")]
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(SettingInvalid, match=told):
        take_in(path, tmp_path / "figures")


def test_a_run_or_docs_that_are_not_there_are_told_and_not_made(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    docs = tmp_path / "docs"
    with pytest.raises(SettingInvalid, match="holds no run"):
        run(parser.parse_args([str(tmp_path / "typo"), "--docs", str(docs)]))
    with pytest.raises(SettingInvalid, match="has no folder figures"):
        run(parser.parse_args(["--docs", str(docs)]))
    assert list(tmp_path.iterdir()) == []
