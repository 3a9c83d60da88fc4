"""A run that is killed goes on where it was: whole cells count, torn ones do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sieve.errors import SettingInvalid
from sieve.eval.outcomes import Journal, Outcome, by_cell

LINE = Outcome(
    task="T1", seed=1, case=0, arm="cs2", budget="20 %", mode="streamed", number=0, of=2,
    kind="during", at_s=8.0, age_s=2.0, answer="red circle", truth="red circle", right=True,
    chance=0.25, confidence=0.9, kept=(3, 4), seen=(36, 100), dense=(5, 6),
)  # fmt: skip


def _cell(case: int) -> list[Outcome]:
    return [replace(LINE, case=case, number=n) for n in range(2)]


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(_cell(0))
    journal.append(_cell(1))
    assert Journal(tmp_path).outcomes() == _cell(0) + _cell(1)
    assert {cell.case for cell in journal.done()} == {0, 1}


@pytest.mark.parametrize("cut", [1, 40, 400])
def test_a_cell_torn_by_a_kill_is_done_again(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path)
    journal.append(_cell(0))
    journal.append(_cell(1))
    lines = tmp_path / "outcomes.jsonl"
    lines.write_bytes(lines.read_bytes()[:-cut])
    assert {cell.case for cell in journal.done()} == {0}
    journal.mend()
    journal.append(_cell(1))
    assert journal.outcomes() == _cell(0) + _cell(1)


def test_a_question_put_twice_counts_once_as_answered_last(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(_cell(0))
    journal.append([replace(line, answer="none", right=False) for line in _cell(0)])
    assert [line.right for line in journal.outcomes()] == [False, False]


def test_an_empty_folder_holds_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "run")
    journal.mend()
    assert journal.outcomes() == []
    with pytest.raises(SettingInvalid, match=r"no run\.json"):
        journal.setting()


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(_cell(0))
    with (tmp_path / "outcomes.jsonl").open("a") as file:
        file.write('{"task": "T1"}\n')
    with pytest.raises(SettingInvalid, match=r"outcomes\.jsonl, line 3"):
        journal.outcomes()


def test_a_folder_holds_one_run(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin({"model": "demo", "seeds": [1]})
    journal.begin({"model": "demo", "seeds": [1]})
    with pytest.raises(SettingInvalid, match="another seeds"):
        journal.begin({"model": "demo", "seeds": [2]})
    assert journal.setting() == {"model": "demo", "seeds": [1]}


def test_outcomes_of_a_cell_are_in_the_order_of_the_questions() -> None:
    cells = by_cell([_cell(1)[1], _cell(0)[0], _cell(1)[0]])
    assert [[line.number for line in found] for found in cells.values()] == [[0, 1], [0]]


def test_reading_makes_no_folder(tmp_path: Path) -> None:
    Journal(tmp_path / "typo").outcomes()
    assert not (tmp_path / "typo").exists()


def test_notes_of_a_run_that_are_damaged_are_told(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    (tmp_path / "run.json").write_text('{"weights": "abc"}')
    with pytest.raises(SettingInvalid, match=r"run\.json does not say which model"):
        journal.setting()
    (tmp_path / "left-out.json").write_text("[{]")
    with pytest.raises(SettingInvalid, match=r"left-out\.json is damaged"):
        journal.left_out()
