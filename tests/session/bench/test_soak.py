"""`echosieve bench soak`: a short one over real WebRTC, and what it makes of its figures."""

from __future__ import annotations

import argparse
import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from session.bench import soak
from session.bench.soak import Round, excess, growth_per_h, over
from session.footprint import Footprint
from tests import tiny

HELD = Footprint(anonymous_bytes=400 * soak.MIB, threads=8, fds=20, tasks=3)


def arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    soak.add_arguments(parser)
    return parser.parse_args(given)


def after(ended_s: float, held: Footprint) -> Round:
    return Round(ended_s, 3, 9, 1, 2, 1, 0, 40, 0, held)


def test_guests_that_leave_are_ended_or_killed_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(soak, "GUEST_S", 6.0)
    monkeypatch.setattr(soak, "SETTLE_S", 5.0)
    model = tiny.write_sieve(
        tmp_path / "model", tiny.TinyShape(sections=(2, 2, 2, 2)), ours=tiny.STREAM
    )
    out = tmp_path / "soak.json"
    given = ["--model", str(model), "--minutes", "0.01", "--churn", "2", "--out", str(out)]
    code = soak.run(arguments(*given))
    report = json.loads(out.read_text())
    assert report["faults"] == []
    assert code == 0
    assert [one["guests"] for one in report["rounds"]] == [2, 2]
    for one in report["rounds"]:
        assert one["failed"] == 0
        assert one["windows"] > 0
        assert sum(one[name] for name in ("right", "wrong", "open", "cut")) >= 2
        assert one["held"]["tasks"] == report["rounds"][0]["held"]["tasks"]
    assert "everything was given back" in capsys.readouterr().out
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("grown", "told"),
    [
        (HELD, []),
        (replace(HELD, anonymous_bytes=431 * soak.MIB, threads=7), []),
        (replace(HELD, anonymous_bytes=433 * soak.MIB), ["anonymous_bytes"]),
        (replace(HELD, threads=9, tasks=4), ["threads", "tasks"]),
        (replace(HELD, fds=21), ["fds"]),
    ],
)
def test_what_lies_above_its_bound_is_named(grown: Footprint, told: list[str]) -> None:
    assert over(grown, HELD) == told
    faults = excess(4, after(99.0, grown), after(9.0, HELD))
    assert len(faults) == len(told)
    assert all(
        f"after round 5 {name} is" in fault for name, fault in zip(told, faults, strict=True)
    )


def test_growth_is_the_slope_over_the_hours() -> None:
    rounds = [after(1_800.0 * i, replace(HELD, threads=8 + i, fds=20 + i % 2)) for i in range(5)]
    growth = growth_per_h(rounds)
    assert growth["threads"] == pytest.approx(2.0)
    assert growth["anonymous_bytes"] == pytest.approx(0.0)
    assert growth["fds"] == pytest.approx(0.0)


def test_a_service_that_cannot_start_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "nothing"
    missing.mkdir()
    assert soak.run(arguments("--model", str(missing))) == 1
    assert "could not start" in capsys.readouterr().out


@pytest.mark.parametrize("given", [("--minutes", "0"), ("--churn", "0"), ("--churn", "1000")])
def test_a_soak_that_makes_no_sense_is_refused(
    given: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        arguments(*given)
    assert f"argument {given[0]}: must" in capsys.readouterr().err
