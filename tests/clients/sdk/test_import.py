"""What an installation without torch and without a media stack can do."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAVY = (
    "torch",
    "transformers",
    "aiortc",
    "aioice",
    "av",
    "numpy",
    "fastapi",
    "cv2",
    "sounddevice",
)
BLOCKED = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


def run(code: str, where: Path) -> subprocess.CompletedProcess[str]:
    """In a process in which nothing heavy is installed, from `where`."""
    command = [sys.executable, "-c", BLOCKED + code]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's contents, as they lie in site-packages."""
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (packed,) = out.glob("*.whl")
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(out / "site")
    return out / "site"


def test_the_wheel_holds_the_sdk_and_it_needs_nothing_heavy(wheel: Path) -> None:
    assert (wheel / "echosieve.py").exists()
    code = "import echosieve as e; print(e.__file__, *(getattr(e, name) for name in dir(e)))"
    done = run(code, wheel)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(wheel))


def test_every_name_of_the_sdk_is_there() -> None:
    done = run(
        "from echosieve import *; print(EchoSieve, SyncEchoSieve, wire.Answer, errors.Refused)",
        ROOT,
    )
    assert done.returncode == 0, done.stderr


def test_a_name_that_is_not_there_is_told() -> None:
    done = run("from echosieve import Echosieve", ROOT)
    assert "cannot import name 'Echosieve'" in done.stderr


def test_publishing_without_a_media_stack_says_what_to_install() -> None:
    code = "import echosieve\nwith echosieve.SyncEchoSieve() as c, c.publish('a.webm'): pass"
    said = run(code, ROOT).stderr
    assert "pip install 'echosieve[media]'" in said
    assert "NotInstalled: " in said


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        (
            "webcam",
            "aiortc, av, numpy, opencv-python, sounddevice: pip install 'echosieve[webcam]'",
        ),
        ("watch LICENSE", "aiortc, av, numpy: pip install 'echosieve[media]'"),
    ],
)
def test_commands_without_a_media_stack_say_all_that_is_to_be_installed(
    command: str, missing: str
) -> None:
    code = f"from clients.cli import main; main({command.split()!r})"
    done = run(code, ROOT)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert f"not installed: {missing}" in " ".join(done.stderr.split())


def test_devices_are_not_listed_as_none_where_nothing_can_list_them() -> None:
    done = run("from clients.cli import main; main(['webcam', '--list'])", ROOT)
    assert done.returncode == 0, done.stderr
    for kind in ("cameras", "microphones"):
        assert (
            f"{kind}: not installed: aiortc, av, numpy, opencv-python, sounddevice" in done.stdout
        )
