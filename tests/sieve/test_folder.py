"""A run's folder has one process at a time, one run, and whole files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sieve.errors import FolderBusy, SettingInvalid
from sieve.folder import claim, facts_in, held, put

HOLDER = """
import sys, time
from pathlib import Path
from sieve.folder import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_folder_is_held_by_one_process_until_that_ends_however_it_does(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            with pytest.raises(FolderBusy, match="another process is at work in"), held(folder):
                pass
        finally:
            other.kill()
    with held(folder):
        pass
    with held(folder):
        pass


def test_a_folder_stays_the_run_s_that_claimed_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.json"
    claim(path, {"seed": 1, "model": "demo"})
    claim(path, {"seed": 1, "model": "demo"})
    assert facts_in(path) == {"seed": 1, "model": "demo"}
    with pytest.raises(SettingInvalid, match="another seed: name another folder, or give"):
        claim(path, {"seed": 2, "model": "demo"})
    with pytest.raises(SettingInvalid, match="another model, steps"):
        claim(path, {"seed": 1, "steps": 5})
    assert facts_in(path)["seed"] == 1


@pytest.mark.parametrize(
    ("text", "told"), [("{", "is damaged"), ("\xff", "is damaged"), ("[]", "no settings of a run")]
)
def test_a_claim_that_cannot_be_read_is_told(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(SettingInvalid, match=f"run.json.*{told}.*name another folder"):
        claim(path, {"seed": 1})


def test_what_is_put_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    put(path, "before")
    with pytest.raises(UnicodeEncodeError):
        put(path, "half \ud800")
    assert path.read_text() == "before"
