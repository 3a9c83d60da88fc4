"""docs/RESULTS.md is what the command writes from the JSON beside it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from sieve.errors import SettingInvalid
from sieve.eval.outcomes import Journal
from sieve.eval.report import add_arguments, load, points, run, table, take_in, text
from sieve.eval.results import results
from tests.sieve.eval import made

DOCS = Path(__file__).parents[3] / "docs"


def test_the_results_in_the_repository_are_what_the_command_writes() -> None:
    assert text(load(DOCS / "figures" / "results")) == (DOCS / "RESULTS.md").read_text()


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
    assert "| clips: ahead of random at 10 % | ≥ 25 |" in written
    picture = docs / "figures" / "arms.png"
    assert str(picture) in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert run(_arguments("--docs", str(docs))) == 0
    assert (docs / "RESULTS.md").read_text() == written


def test_a_folder_without_outcomes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="no run"):
        take_in(tmp_path / "nothing", tmp_path / "results")
    Journal(tmp_path / "begun").begin({"model": "demo"})
    with pytest.raises(SettingInvalid, match="no finished cell"):
        take_in(tmp_path / "begun", tmp_path / "results")


def test_results_on_disk_are_the_results(arms: Path, tmp_path: Path) -> None:
    take_in(arms, tmp_path / "results")
    told = results(made.study(), {"model": "demo", "trained": None})
    assert load(tmp_path / "results") == {"arms": json.loads(json.dumps(told))}


def test_ablations_stand_beside_the_papers() -> None:
    written = text({"ablations": results(made.study(), {"model": "demo"})})
    (line,) = [line for line in written.splitlines() if line.startswith("| causal refiner | clips")]
    assert line.endswith("| -4.6 |")


def test_nothing_is_told_of_studies_that_were_not_run() -> None:
    written = text({})
    assert written.startswith("# Results")
    assert "## Targets" not in written


def test_a_figure_stands_with_its_interval() -> None:
    assert points([97.25, 96.0, 98.4]) == "97.2 [96.0, 98.4]"
    assert points([2.0, -1.0, 5.0], signed=True) == "+2.0 [-1.0, +5.0]"
    assert points([2.0, None, None]) == "2.0"
    assert points(None) == "–"
    assert table(("a", "b"), [("x", "1")]) == "| a | b |\n|---|---:|\n| x | 1 |\n"
