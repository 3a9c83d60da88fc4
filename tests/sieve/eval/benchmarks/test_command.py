"""The command itself: what it prints, what it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clients.cli import main
from sieve.eval.benchmarks.catalogue import load
from sieve.eval.benchmarks.command import spread
from tests.sieve.eval.benchmarks.films import Film
from tests.sieve.eval.benchmarks.formats import dailyomni, mlvu, write_json


@pytest.fixture
def data(tmp_path: Path, films: list[Film]) -> Path:
    root = tmp_path / "data"
    mlvu(root, films[:1])
    table = root / "mlvu_dev.json"
    entries = json.loads(table.read_text())
    write_json(table, [*entries, entries[0] | {"answer": "Z"}])
    return root


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(["eval", *(str(argument) for argument in arguments)])
    return int(exit_.value.code or 0)


def test_one_command_scores_prints_and_writes(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made" / "mlvu.json"
    wanted = ("--benchmark", "mlvu", "--data", data, "--out", out, "--retention", "0.2")
    assert run(*wanted, "--limit", 3) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "3 of 5 questions asked" in told
    assert "retention 0.2" in told
    assert "max_pixels 7056" in told
    assert "1 entries were left out: mlvu_dev.json:7: the answer 'Z' is none of" in told
    made = json.loads(out.read_text())
    assert made["score"]["figures"]["M-Avg"] >= 60.0
    assert made["settings"]["prompt"] == "bare"
    assert made["settings"]["greedy"] is True
    assert made["left_out"][0]["where"] == "mlvu_dev.json:7"
    assert len(out.with_suffix(".jsonl").read_text().splitlines()) == 4
    assert run(*wanted) == 0  # goes on with the other two
    assert json.loads(out.read_text())["score"]["all"]["asked"] == 5


def test_names_of_tasks_are_printed_as_they_are(
    tmp_path: Path, films: list[Film], capsys: pytest.CaptureFixture[str]
) -> None:
    mlvu(tmp_path, films[:1])
    table = tmp_path / "mlvu_dev.json"
    write_json(table, [json.loads(table.read_text())[0] | {"task_type": "[/needle]"}])
    out = tmp_path / "made.json"
    assert run("--benchmark", "mlvu", "--data", tmp_path, "--out", out, "--tracks", "none") == 0
    assert "[/needle]" in capsys.readouterr().out


def test_a_limit_takes_questions_from_all_over_and_both_orders_of_each(
    tmp_path: Path, films: list[Film]
) -> None:
    dailyomni(tmp_path, films)  # 2 films, 3 questions each, in 2 orders
    items = load("dailyomni", tmp_path).items
    chosen = spread(items, 2)
    assert [item.where for item in chosen] == ["qa.json:2", "qa.json:2", "qa.json:5", "qa.json:5"]
    assert spread(items, 6) == spread(items, None) == items


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--limit", 0), "--limit is a whole number from 1"),
        (("--fps", 99), "--fps is a whole number from 1 to 30"),
        (("--out", "x.jsonl"), "--out is a .json file"),
        (("--selector", "nonsense"), "nonsense"),
        (("--selector", "fastav", "--mode", "offline"), "below its floor"),
        (("--retention", 2), "2"),
        (("--device", "nowhere"), "'nowhere' cannot be used"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[object, ...],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("--benchmark", "mlvu", "--data", data, *arguments) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert told in line


def test_a_folder_without_the_data_says_what_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--benchmark", "worldsense", "--data", tmp_path) == 1
    assert "has no worldsense_qa.json" in capsys.readouterr().err
