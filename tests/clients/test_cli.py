"""The command line, as a shell sees it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

from clients.cli import BENCHES, CLIENTS, main
from clients.monitor.claim import claimed
from session.journal.journal import opened
from session.journal.schema import STEPS
from sieve import load_model
from stream.render import render_file
from stream.source import SceneSource
from stream.world.scene import Scene
from tests import tiny


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line that a failure leaves on the error stream."""
        assert "Traceback" not in self.err
        assert self.code == 1
        last = self.err.strip().splitlines()[-1]
        assert last.startswith("echosieve: ")
        return last


Call = Callable[..., Run]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs the command line in this process."""

    def run(*arguments: str) -> Run:
        with pytest.raises(SystemExit) as exit:
            main(arguments)
        told = capsys.readouterr()
        return Run(int(exit.value.code or 0), told.out, told.err)

    return run


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shape = tiny.TinyShape(sections=(2, 2, 2, 2))
    return tiny.write_sieve(tmp_path_factory.mktemp("model"), shape, ours=tiny.STREAM)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "scene.webm"
    render_file(SceneSource(Scene(1), 5.0, size=84).items(), path)
    return path


def test_help_needs_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "aiortc", "av", "fastapi", "numpy")
    code = (
        "import sys; sys.argv = ['echosieve', '--help']\n"
        "from clients.cli import main\n"
        "try: main()\n"
        f"except SystemExit: sys.exit(any(m in sys.modules for m in {heavy}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    for command in ("serve", "demo", "ask", "bench", "train"):
        assert command in run.stdout


@pytest.mark.parametrize("command", [*CLIENTS, *(f"bench {kind}" for kind in BENCHES)])
def test_each_command_of_a_module_of_its_own_tells_its_arguments(call: Call, command: str) -> None:
    run = call(*command.split(), "--help")
    assert run.code == 0
    assert f"usage: echosieve {command} " in run.out
    assert len(run.out.splitlines()) > 4


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("fly",),
        ("serve", "--port", "70000"),
        ("serve", "--port", "x"),
        ("serve", "--retention", "0"),
        ("serve", "--selector", "\udcff"),
        ("serve", "--sessions", "0"),
        ("serve", "--fps", "1.5"),
        ("serve", "--fps", "60"),
        ("demo", "--seed", "-1"),
        ("serve", "--sessions", "1000000000"),
        ("serve", "--threads", "100000"),
        ("ask",),
        ("ask", "film.webm", "what?", "--slots", "5000000000"),
        ("ask", "film.webm", "\udcff\udcfe"),
        ("ask", "film.webm", "what?", "--at", "-1"),
        ("ask", "film.webm", "what?", "--at", "nan"),
        ("bench",),
        ("bench", "everything"),
        ("bench", "live", "--sessions", "many"),
        ("bench", "live", "--runs", "100000000"),
        ("bench", "live", "--sessions", "100000"),
        ("bench", "live", "--threads", "100000"),
        ("bench", "soak", "--minutes", "0"),
        ("bench", "soak", "--churn", "1000"),
    ],
)
def test_bad_usage_exits_with_2_and_says_what_is_right(
    call: Call, arguments: tuple[str, ...]
) -> None:
    run = call(*arguments)
    assert run.code == 2
    assert "usage: echosieve" in run.err


def test_a_file_is_answered_as_text_and_as_json(call: Call, film: Path, model: Path) -> None:
    text = call("ask", str(film), "what is it?", "--model", str(model))
    assert text.code == 0, text.err
    assert "at 5.0 s" in text.out
    answer = call("ask", str(film), "what is it?", "--at", "3", "--json", "--model", str(model))
    told = json.loads(answer.out)
    assert (told["asked_s"], told["question"]) == (3.0, "what is it?")
    assert told["newest_frame_s"] == 2.5


@pytest.mark.parametrize(
    ("file", "at", "message"),
    [
        ("missing.webm", None, "no such file"),
        ("empty.webm", None, "empty.webm"),
        ("corrupt.webm", None, "corrupt.webm"),
        ("scene.webm", "60", "ends at 5.0 s"),
    ],
)
def test_a_file_that_cannot_be_asked_about_is_one_clear_line(
    call: Call, film: Path, model: Path, file: str, at: str | None, message: str
) -> None:
    (film.parent / "empty.webm").write_bytes(b"")
    (film.parent / "corrupt.webm").write_bytes(b"\x1a\x45\xdf\xa3" + b"no film" * 100)
    arguments = ["ask", str(film.parent / file), "what?", "--model", str(model)]
    assert message in call(*arguments, *(["--at", at] if at else [])).complaint


def test_a_moment_after_the_end_is_told_before_a_model_is_loaded(call: Call, film: Path) -> None:
    arguments = ("what?", "--at", "60", "--model", "/nowhere")
    assert "ends at 5.0 s, before 60 s" in call("ask", str(film), *arguments).complaint


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_damaged_file_is_answered_as_far_as_it_goes_and_that_is_told(
    call: Call, film: Path, model: Path, tmp_path: Path, form: tuple[str, ...]
) -> None:
    whole = film.read_bytes()
    cut = tmp_path / "cut.webm"
    cut.write_bytes(whole[: len(whole) // 2])
    run = call("ask", str(cut), "what?", "--model", str(model), *form)
    assert run.code == 0, run.err
    assert "damaged" in (run.err if form else run.out)
    assert "of its 5.0 s" in run.out + run.err
    assert "damaged" not in call("ask", str(film), "what?", "--model", str(model)).out


@pytest.mark.parametrize("kind", ["live", "prefill"])
def test_a_file_that_cannot_be_written_is_told_before_anything_is_measured(
    call: Call, tmp_path: Path, kind: str
) -> None:
    run = call("bench", kind, "--out", str(tmp_path))
    assert str(tmp_path) in run.complaint
    assert not run.out


@pytest.mark.parametrize("question", ["", "   ", "x" * 100_000])
def test_a_question_that_cannot_be_asked_is_one_clear_line(
    call: Call, film: Path, model: Path, question: str
) -> None:
    assert "question" in call("ask", str(film), question, "--model", str(model)).complaint
    assert "question" in call("ask", str(film), question, "--model", "/nowhere").complaint


def test_slots_that_hold_no_prompt_are_refused_before_anything_is_served(
    call: Call, model: Path
) -> None:
    assert "slots" in call("serve", "--slots", "5", "--model", str(model)).complaint


def test_a_memory_that_the_machine_does_not_have_is_one_clear_line(
    call: Call, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] can't allocate memory")

    monkeypatch.setattr("session.engine.loading.Engine", exhausted)
    assert "256 sessions" in call("serve", "--sessions", "256", "--model", str(model)).complaint


def test_training_leaves_a_model_that_can_be_loaded(call: Call, tmp_path: Path) -> None:
    out, run = tmp_path / "model", tmp_path / "run"
    threads = str(torch.get_num_threads())  # stays as it is for other tests
    folders = ("--out", str(out), "--run", str(run))
    trained = call("train", "--recipe", "rehearsal", *folders, "--threads", threads)
    assert trained.code == 0, trained.err
    assert any(run.iterdir())
    assert load_model(out).cs2 is not None


def test_a_model_directory_that_is_none_is_one_clear_line(call: Call, tmp_path: Path) -> None:
    assert "config.json" in call("serve", "--model", str(tmp_path)).complaint


@pytest.mark.parametrize("device", ["cuda:99", "abacus"])
def test_a_device_that_is_not_there_is_one_clear_line(
    call: Call, film: Path, model: Path, device: str
) -> None:
    run = call("ask", str(film), "what?", "--model", str(model), "--device", device)
    assert device in run.complaint


def test_a_model_without_a_trained_sieve_says_so(call: Call, film: Path, tmp_path: Path) -> None:
    stock = tiny.write_stock(tmp_path, tiny.TinyShape())
    run = call("ask", str(film), "what?", "--model", str(stock))
    assert run.code == 0, run.err
    assert "no trained sieve" in run.err


def test_the_service_does_not_open_up_by_itself(call: Call) -> None:
    assert "--key-file" in call("serve", "--host", "0.0.0.0").complaint


def test_a_port_that_is_taken_is_one_clear_line(call: Call, model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in call("serve", "--port", port, "--model", str(model)).complaint


def test_of_a_service_that_is_there_already_the_port_is_told_and_not_its_journal(
    call: Call, model: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.db"
    held = opened(str(journal), STEPS)
    arguments = ("serve", "--model", str(model), "--journal", str(journal), "--port")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        complaint = call(*arguments, str(taken.getsockname()[1])).complaint
        assert "something listens there already" in complaint
        assert "--port" in complaint
        assert "journal" not in complaint
    complaint = call(*arguments, "0").complaint
    held.close()
    assert "held by another process" in complaint
    assert "--journal" in complaint


def test_how_often_to_ask_without_what_to_ask_is_refused(call: Call, film: Path) -> None:
    assert "--ask QUESTION" in call("watch", str(film), "--every", "5").complaint


MONITOR = """
[[source]]
kind = "room"
name = "door"

[[watch]]
query = "a red circle appears"
threshold = 0.7

[mqtt]
host = "127.0.0.1"
"""


def test_a_configuration_is_checked_without_the_service_or_the_broker(
    call: Call, tmp_path: Path
) -> None:
    path = tmp_path / "monitor.toml"
    path.write_text(MONITOR)
    run = call("monitor", "--check", str(path))
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith(f"{path}: watches door (room); 1 standing query; tells MQTT")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("threshold = 0.7", "threshold = 7"), "line 8, watch.0.threshold: must be less than 1"),
        (("threshold = 0.7", "threshold 0.7"), "is not TOML: Expected '=' after a key"),
        (('kind = "room"', 'kind = "media"\naddress = "x.mkv"'), "line 4, source.0.address: there"),
        (
            ('host = "127.0.0.1"', 'host = "a"\nca_file = "x"\ntls = true'),
            "line 12, mqtt.ca_file: ",
        ),
        (
            ('host = "127.0.0.1"', 'host = "a"\nusername="b"\npassword_env = "X"'),
            "line 13, mqtt.password_env: the variable X",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used_is_told_with_file_line_and_key(
    call: Call, tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    path = tmp_path / "monitor.toml"
    path.write_text(MONITOR.replace(*change))
    run = call("monitor", "--check", str(path))
    assert run.complaint.startswith(f"echosieve: {path}: ")
    assert said in run.complaint
    assert not run.out


def test_a_folder_that_cannot_be_used_is_one_clear_line_before_anything_is_watched(
    call: Call, tmp_path: Path
) -> None:
    path = tmp_path / "monitor.toml"
    path.write_text(f'folder = "monitor.toml"\n{MONITOR}')
    assert f"line 1, folder: {path} is no folder" in call("monitor", str(path)).complaint


def test_a_broker_that_is_not_there_is_one_clear_line(call: Call, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    path = tmp_path / "monitor.toml"
    path.write_text(f"{MONITOR}port = {port}\n")
    said = call("monitor", str(path)).complaint
    assert f"the MQTT broker at 127.0.0.1:{port}" in said
    assert "does a broker listen there" in said


def test_a_second_monitor_in_a_folder_is_refused_and_touches_nothing(
    call: Call, tmp_path: Path
) -> None:
    path, folder = tmp_path / "monitor.toml", tmp_path / "monitor"
    folder.mkdir()
    path.write_text(f'folder = "{folder}"\n[[source]]\nkind = "room"\nname = "door"\n')
    (folder / "report.md").write_text("of the one that runs")
    with claimed(folder):
        said = call("monitor", str(path)).complaint
    assert f"another monitor is running in {folder}" in said
    assert "a `folder` of its own" in said
    assert (folder / "report.md").read_text() == "of the one that runs"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("gopher://x", "gopher:// is not known: there are rtsp, rtsps, "),
        ("rtsp://", "the host is missing: rtsp://host:port/path"),
        ("udp://me:hush@127.0.0.1", "the port is missing: udp://host:port"),
        ("none.mkv", "there is no none.mkv; an address begins with one of rtsp://"),
        ("/dev/none", "there is no device /dev/none; `echosieve webcam --list` shows"),
        ("", "nothing is named that could be watched: a URL, a file, a folder, a device"),
        ("empty", "empty: there is no media file in this folder: name one with recordings, or"),
        ("texts", "texts: there is no media file in this folder"),
        ("texts/note.txt", "note.txt: not a media file"),
    ],
)
def test_what_cannot_be_watched_is_one_clear_line_before_the_service_is_asked(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "note.txt").write_text("no film")
    run = call("watch", source, "--url", "http://127.0.0.1:9")
    assert run.complaint.startswith(f"echosieve: {said}") or source == "texts/note.txt"
    assert said in run.complaint
    assert "hush" not in run.err


@pytest.mark.parametrize("arguments", [["film"], ["texts", "--wait"]])
def test_what_can_be_watched_is_a_matter_of_the_service(
    call: Call, tmp_path: Path, film: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film").symlink_to(film)
    (tmp_path / "texts").mkdir()
    said = call("watch", *arguments, "--url", "http://127.0.0.1:9").complaint
    assert "nothing answers at http://127.0.0.1:9" in said
    assert said.endswith("give the URL of one that runs: --url http://host:port")


@pytest.mark.parametrize("given", [["webcam", "--camera", "-1"], ["watch", "x", "--every", "0"]])
def test_numbers_that_cannot_be_meant_are_bad_usage(call: Call, given: list[str]) -> None:
    run = call(*given)
    assert run.code == 2
    assert f"argument {given[-2]}: must be " in run.err


def test_who_asks_about_an_address_is_told_which_command_does(call: Call) -> None:
    run = call("ask", "http://127.0.0.1:9/film.mp4", "what is there?")
    assert run.code == 2
    assert "this is an address: `echosieve watch URL --ask QUESTION`" in run.err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"echosieve {version('echosieve')}\n"
