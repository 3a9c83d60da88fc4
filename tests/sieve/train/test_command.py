"""``echosieve train`` as a shell sees it: bad usage exits with 2, a failure with 1 and one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.cli import main
from sieve.train.backbone.tuning import Tuning


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code, and the last line of the error stream."""
    with pytest.raises(SystemExit) as exit:
        main(["train", *arguments])
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return int(exit.value.code or 0), error.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--data", "a", "--recordings", "b", "--out", "c"], "not allowed with"),
        (["--recipe", "demo", "--data", "b", "--out", "c"], "not allowed with"),
        (["--steps", "3", "--out", "c"], "--steps goes with --data or --recordings"),
        (["--fresh", "--out", "c"], "--fresh goes with --data or --recordings"),
        (["--data", "a"], "--out"),
        (["--recipe", "rehearsal", "--out", __file__], "is a file; name a folder"),
        (["--data", "a", "--out", "c", "--run", __file__], "is a file; name a folder"),
        (["--data", "a", "--out", "c", "--questions", "q"], "--questions goes with --recordings"),
        (["--data", "a", "--out", "c", "--fresh", "--sieve", "s"], "give one"),
        (["--data", "a", "--out", "c", "--threads", "257"], "from 1 to 256, not 257"),
        (["--data", "a", "--out", "c", "--steps", "-1"], "from 0 to 10000000, not -1"),
        (["--data", "a", "--out", "c", "--steps", "1.5"], "whole number"),
        (["--data", "a", "--out", "c", "--layers", "65"], "from 1 to 64, not 65"),
        (["--data", "a", "--out", "c", "--learning-rate", "nan"], "(0, 1], not nan"),
        (["--data", "a", "--out", "c", "--retention", "1.2"], "(0, 1], not 1.2"),
        (["--data", "a", "--out", "c", "--estimator", "magic"], "must be one of identity"),
    ],
)
def test_bad_usage_is_told_and_exits_with_2(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, line = told(capsys, *arguments, *(["--threads", "1"] * ("--threads" not in arguments)))
    assert code == 2
    assert why in line


def test_what_cannot_be_done_is_one_line_and_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--out", str(tmp_path / "out"), "--run", str(tmp_path / "run"), "--threads", "1"]
    bad = tmp_path / "bad.json"
    bad.write_text('{"cs2": 5}')
    gone = str(tmp_path / "gone")
    for arguments, why in (
        (["--data", gone], "gone: cannot be read"),
        (["--recordings", gone], "gone: is no folder"),
        (["--data", gone, "--config", gone], "gone: cannot be read"),
        (["--data", gone, "--config", str(bad), "--steps", "3"], "setting cs2"),
    ):
        code, line = told(capsys, *arguments, *places)
        assert code == 1
        assert line.startswith("echosieve: ")
        assert why in line


def test_help_tells_the_defaults_that_are_in_force(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    default = Tuning()
    for option, value in (
        ("--steps N", f"({default.cs2.steps})"),
        ("--accumulate N", f"({default.cs2.accumulate})"),
        ("--layers N", f"({default.sieve.layers})"),
        ("--retention SHARE", f"({default.sieve.retention})"),
        ("--save-every N", f"({default.save_every})"),
        ("--examine-every N", f"({default.examine_every})"),
    ):
        assert value in words.split(f"{option} ")[-1][:150]
    assert default.cs2.learning_rate == 1e-4
    assert "(1e-4)" in words
