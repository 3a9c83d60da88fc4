"""Processes that share every step."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch
from torch import nn

from sieve.train.team import Team, together
from tests.sieve.train.processes import needs_proc, wait_until_ended


def _work(team: Team, folder: Path) -> None:
    layer = nn.Linear(2, 1)
    layer.weight.grad = torch.full((1, 2), float(team.rank))
    if team.leads:
        layer.bias.grad = torch.ones(1)
    team.average(layer.parameters())
    assert layer.weight.grad is not None
    assert layer.bias.grad is not None
    team.wait()
    facts = {
        "weight": layer.weight.grad.tolist(),
        "bias": layer.bias.grad.tolist(),
        "ranks": team.gather(team.rank),
        "share": team.share_of(8),
    }
    (folder / f"{team.rank}.json").write_text(json.dumps(facts))


def test_members_have_the_mean_of_their_gradients(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    together(2, tmp_path / "meet", _work, tmp_path)
    torch.set_num_threads(threads)
    expected = {"weight": [[0.5, 0.5]], "bias": [0.5], "ranks": [0, 1], "share": 4}
    for rank in range(2):
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == expected


LOST = """
import datetime, os, signal, sys, time
from pathlib import Path
import torch.distributed as dist
from sieve.train.team import together

def work(team, folder):
    if not team.leads:
        (folder / "member").write_text(str(os.getpid()))
        store = dist.FileStore(str(folder / "never"), 2)
        store.wait(["never"], datetime.timedelta(minutes=5))  # where no signal is heard
    while not (folder / "member").exists() or not (folder / "member").read_text():
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    together(2, Path(sys.argv[1]) / "meet", work, Path(sys.argv[1]))
"""


@needs_proc
def test_members_end_with_a_leader_that_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(LOST)
    environment = {"PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([sys.executable, str(program), str(tmp_path)], env=environment, check=False)
    wait_until_ended([int((tmp_path / "member").read_text())])


def test_one_alone_keeps_its_own() -> None:
    layer = nn.Linear(2, 1)
    layer.weight.grad = torch.ones(1, 2)
    team = Team()
    team.average(layer.parameters())
    team.wait()
    assert team.leads
    assert torch.equal(layer.weight.grad, torch.ones(1, 2))
    assert layer.bias.grad is None
    assert team.gather("this") == ["this"]
