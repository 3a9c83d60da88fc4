"""Whether the budget follows the content is told of arms whose share can move."""

from __future__ import annotations

from dataclasses import replace

from sieve.eval.report.density import density_section
from sieve.eval.report.results import results
from tests.sieve.eval import made


def test_an_arm_whose_share_never_moves_is_left_out() -> None:
    lines = [
        replace(o, task="T3", dense=(10 - o.case % 8, o.case % 8), kept=kept)
        for o in made.run({"sieve": 0.9, "per-modality top-k": 0.9, "raw-embedding output": 0.4})
        for kept in [(5, 5) if o.arm == "per-modality top-k" else (10 - o.case % 8, o.case % 8)]
    ]
    written = density_section({"abilities": results(lines, {})})
    assert "| sieve, raw-embedding output | 10 % | streamed | 36 | 1.00 | 0-70 % |" in written
    assert "| per-modality top-k |" not in written
    assert "follows nothing: `per-modality top-k`." in written
    assert density_section({}) == ""
