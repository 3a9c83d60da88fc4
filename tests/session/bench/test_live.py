"""`echosieve bench live`: that it measures what it says, not how fast."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from session.bench import ages
from session.bench import live as bench
from tests import tiny


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ages, "FED_S", 4)
    monkeypatch.setattr(bench, "PLAIN_S", (2, 4))


def arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    bench.add_arguments(parser)
    return parser.parse_args(given)


def test_a_report_has_every_figure_and_the_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tiny.write_sieve(
        tmp_path / "model", tiny.TinyShape(sections=(2, 2, 2, 2)), ours=tiny.STREAM
    )
    out = tmp_path / "figures" / "live.json"
    given = ["--model", str(model), "--sessions", "2", "--seconds", "6", "--runs", "2"]
    assert bench.run(arguments(*given, "--no-media", "--out", str(out))) == 0
    report = json.loads(out.read_text())
    assert [age["age"] for age in report["ages"]] == ["1 min", "1 h", "24 h"]
    assert report["ages"][0]["first_token_ratio"] == 1.0
    assert len({age["memory_bytes"] for age in report["ages"]}) == 1
    assert [one["seconds"] for one in report["plain_transformers"]] == [2, 4]
    sessions = report["sessions"]
    assert (sessions["sessions"], sessions["skipped"]) == (2, 0)
    assert sessions["questions"] >= 2
    assert sessions["windows"] >= 4
    assert report["machine"]["versions"]["torch"]
    assert "24 h old" in capsys.readouterr().out


@pytest.mark.parametrize(
    "given",
    [
        ("--sessions", "0"),
        ("--sessions", "1000"),
        ("--seconds", "4"),
        ("--runs", "0"),
        ("--runs", "1000000"),
        ("--retention", "2"),
        ("--threads", "0"),
    ],
)
def test_a_measurement_that_makes_no_sense_is_refused(
    given: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        arguments(*given)
    assert f"argument {given[0]}: must" in capsys.readouterr().err
