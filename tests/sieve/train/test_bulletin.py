"""How a training is told: lines where there is no terminal, a bar where there is one."""

from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from sieve.train.bulletin import Bulletin


def told(path: Path, *, terminal: bool, steps: int) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120)
    bulletin = Bulletin(path / "journal.jsonl", console)
    with bulletin.stage("cs2", steps, 0):
        for step in range(1, steps + 1):
            bulletin.step("cs2", step, {"answer": 2.0, "saliency": 0.5})
    bulletin.note("exam", "40% [right]", right=40.0)
    return out.getvalue()


def test_without_a_terminal_there_are_plain_lines(tmp_path: Path) -> None:
    lines = told(tmp_path, terminal=False, steps=3).splitlines()
    assert lines[-2:] == ["cs2 3/3  answer 2.0000  saliency 0.5000", "40% [right]"]
    assert "\x1b" not in "".join(lines)


def test_a_long_stage_has_few_lines(tmp_path: Path) -> None:
    assert len(told(tmp_path, terminal=False, steps=1000).splitlines()) <= 42


def test_on_a_terminal_there_is_a_bar_with_the_loss_by_part(tmp_path: Path) -> None:
    text = told(tmp_path, terminal=True, steps=3)
    assert "3/3" in text
    assert "answer 2.0000  saliency 0.5000" in text


def test_the_journal_has_a_json_line_for_every_event(tmp_path: Path) -> None:
    told(tmp_path, terminal=False, steps=3)
    events = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [event["event"] for event in events] == ["step", "step", "step", "exam"]
    assert events[2]["loss"] == {"answer": 2.0, "saliency": 0.5}
    assert events[3]["right"] == 40.0
