"""`echosieve bench live`: that it measures what it says, not how fast."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from session.bench import live as bench
from sieve import Engine, EngineConfig, Model, RowConfig
from tests import tiny


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "FED_S", 4)
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


def test_an_old_stream_is_at_its_age(stream_model: Model) -> None:
    engine = Engine(stream_model, EngineConfig(rows=1))
    row = engine.open(RowConfig())
    windows = bench.scene_windows(4)
    assert len(bench.feed(engine, row, windows, until_s=3_600)) == 4
    newest = engine.memory(row).newest_s
    assert newest is not None
    assert 3_598 <= newest <= 3_600


def test_an_open_window_is_the_first_half_of_a_closed_one() -> None:
    window = bench.half(bench.scene_windows(2)[0].moved(100.0))
    assert window.grid_times_s == (100.0,)
    assert window.samples is not None
    assert len(window.samples) == 16_000


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
