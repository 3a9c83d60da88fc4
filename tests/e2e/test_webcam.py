"""`echosieve webcam`, with a scene in front of the camera, against the real service."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from typing import TextIO

import pytest

from clients import preview, webcam
from clients.cli import main
from stream import capture
from stream.source import MediaError
from stream.world.scene import Scene
from tests.stream.devices import FakeCv2, FakeSound

SEED = 5


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> FakeCv2:
    cv2, sound = FakeCv2(Scene(SEED)), FakeSound(Scene(SEED))
    monkeypatch.setattr(capture, "opencv", lambda: cv2)
    monkeypatch.setattr(capture, "portaudio", lambda: sound)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return cv2


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit:
        main(["webcam", *arguments])
    return int(exit.value.code or 0)


async def typed(_: TextIO) -> AsyncIterator[str]:
    """Somebody who looks at the picture for a while before each question."""
    for question in ("what do you see now?\n", "and now?\n"):
        await asyncio.sleep(3.0)
        yield question


@pytest.mark.usefixtures("devices")
def test_a_question_on_the_command_line_is_answered_from_camera_and_microphone(
    service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--url", service, "--ask", "what do you see now?", "--ask", "and now?") == 0
    told = capsys.readouterr().out
    assert "session ses_" in told
    assert told.count("tokens, first word after") == 2


def test_a_conversation_in_the_terminal_with_a_preview(
    service: str,
    devices: FakeCv2,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(preview, "opens_windows", lambda: True)
    monkeypatch.setattr(webcam, "lines_of", typed)
    assert run("--url", service, "--microphone", "usb") == 0
    assert "tokens, first word after" in capsys.readouterr().out
    assert devices.shown
    assert devices.windows == 0
    first, last = devices.shown[0], devices.shown[-1]
    assert last.mean() < 0.8 * first.mean()  # what was not kept is dark


@pytest.mark.usefixtures("devices")
def test_without_a_screen_there_is_a_note(
    service: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run("--url", service, "--no-microphone") == 0
    assert webcam.NO_SCREEN in capsys.readouterr().out


def test_without_windows_in_opencv_there_is_a_note(
    service: str,
    devices: FakeCv2,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    devices.gui = "NONE"
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run("--url", service, "--no-microphone") == 0
    assert webcam.NO_WINDOWS in capsys.readouterr().out
    assert not devices.shown


@pytest.mark.usefixtures("devices")
def test_devices_are_listed_and_what_is_missing_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    assert run("--list") == 0
    listed = capsys.readouterr().out
    assert "camera 0: camera 0" in listed
    assert "microphone USB Mic: 1 channels" in listed

    def broken() -> None:
        raise MediaError("sounddevice cannot be loaded: apt install libportaudio2")

    monkeypatch.setattr(capture, "portaudio", broken)
    assert run("--list") == 0
    listed = capsys.readouterr().out
    assert "camera 0: camera 0" in listed
    assert "microphones: sounddevice cannot be loaded: apt install libportaudio2" in listed


@pytest.mark.usefixtures("devices")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--camera", "7"), "there is no camera 7: "),
        (("--camera", "7"), "(--list shows what there is; --no-camera and --no-microphone leave"),
        (("--microphone", "Studio"), "there is no microphone 'Studio': there are USB Mic"),
        (("--no-camera", "--no-microphone"), "neither was asked for"),
        (("--url", "http://127.0.0.1:9"), "echosieve serve"),
        (("--url", "nonsense"), "http://host:port"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--ask", "what?", *arguments) == 1
    complaint = capsys.readouterr().err.strip().splitlines()[-1]
    assert complaint.startswith("echosieve: ")
    assert says in complaint
