"""A camera and a microphone, with rendered media in their place."""

from __future__ import annotations

import asyncio
import builtins
import sys
import threading
import time
from contextlib import aclosing
from typing import Any

import pytest

from stream import capture
from stream.capture import Webcam
from stream.source import MediaError, NotInstalledError
from stream.window import SAMPLE_RATE, Frame, Item, Sound
from stream.world.scene import Scene
from tests.stream.devices import FakeCv2, FakeSound


@pytest.fixture
def scene() -> Scene:
    return Scene(4)


async def items_of(webcam: Webcam, count: int) -> list[Item]:
    async with asyncio.timeout(20.0), aclosing(aiter(webcam)) as items:  # type: ignore[type-var]
        return [await anext(items) for _ in range(count)]


def use(monkeypatch: pytest.MonkeyPatch, cv2: FakeCv2, sound: FakeSound) -> None:
    monkeypatch.setattr(capture, "opencv", lambda: cv2)
    monkeypatch.setattr(capture, "portaudio", lambda: sound)


async def test_pictures_and_sounds_come_with_the_times_of_their_capture(
    monkeypatch: pytest.MonkeyPatch, scene: Scene
) -> None:
    cv2, sound = FakeCv2(scene), FakeSound(scene)
    use(monkeypatch, cv2, sound)
    began_s = time.monotonic()
    items = await items_of(Webcam(), 80)
    took_s = time.monotonic() - began_s
    frames = [item for item in items if isinstance(item, Frame)]
    sounds = [item for item in items if isinstance(item, Sound)]
    assert frames
    assert all(0.0 <= frame.time_s <= took_s for frame in frames)
    assert abs(frames[0].rgb.astype(int) - scene.frame(0.0, frames[0].rgb.shape[0])).mean() < 6
    ends = [sound.start_s + len(sound.samples) / SAMPLE_RATE for sound in sounds]
    assert [sound.start_s for sound in sounds[1:]] == pytest.approx(ends[:-1])  # no seams
    assert cv2.open == 0
    assert sound.open == 0


async def test_either_can_be_left_out(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> None:
    use(monkeypatch, FakeCv2(scene), FakeSound(scene))
    assert all(isinstance(item, Frame) for item in await items_of(Webcam(microphone=None), 3))
    assert all(isinstance(item, Sound) for item in await items_of(Webcam(camera=None), 3))
    with pytest.raises(MediaError, match="neither was asked for"):
        Webcam(camera=None, microphone=None)


async def test_a_camera_that_is_unplugged_ends_the_stream_with_its_name(
    monkeypatch: pytest.MonkeyPatch, scene: Scene
) -> None:
    use(monkeypatch, FakeCv2(scene, pictures=3), FakeSound(scene))
    with pytest.raises(MediaError, match="camera 0 gives no more pictures"):
        await items_of(Webcam(), 10_000)


def test_a_camera_that_is_not_there_is_told_with_those_that_are(
    monkeypatch: pytest.MonkeyPatch, scene: Scene
) -> None:
    use(monkeypatch, FakeCv2(scene), FakeSound(scene))
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(MediaError, match=r"there is no camera 7: there are 0 \(camera 0\)"):
        Webcam(camera=7)
    with pytest.raises(MediaError, match="no camera -1: they are numbered from 0 on"):
        Webcam(camera=-1)


def test_a_camera_that_is_there_and_cannot_be_opened_may_be_in_use(
    monkeypatch: pytest.MonkeyPatch, scene: Scene
) -> None:
    use(monkeypatch, FakeCv2(scene), FakeSound(scene))
    monkeypatch.setattr(capture, "cameras", lambda: [capture.Device("7", "USB Camera")])
    with pytest.raises(MediaError, match=r"camera 7 cannot be opened: another program may"):
        Webcam(camera=7)


def test_a_machine_without_a_camera_is_told(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> None:
    use(monkeypatch, FakeCv2(scene), FakeSound(scene))
    monkeypatch.setattr(capture, "cameras", list)
    with pytest.raises(MediaError, match=r"no camera 7: this machine has no camera$"):
        Webcam(camera=7)


@pytest.mark.parametrize("name", ["default", "USB", "usb mic"])
def test_a_microphone_is_found_by_a_part_of_its_name(
    monkeypatch: pytest.MonkeyPatch, scene: Scene, name: str
) -> None:
    use(monkeypatch, FakeCv2(scene), FakeSound(scene))
    assert Webcam(microphone=name).has_audio


def test_a_microphone_that_is_not_there_is_told_with_those_that_are(
    monkeypatch: pytest.MonkeyPatch, scene: Scene
) -> None:
    use(monkeypatch, FakeCv2(scene), FakeSound(scene))
    with pytest.raises(MediaError, match=r"no microphone 'Studio': there are USB Mic"):
        Webcam(microphone="Studio")


def test_a_machine_without_a_microphone_is_told(
    monkeypatch: pytest.MonkeyPatch, scene: Scene
) -> None:
    use(monkeypatch, FakeCv2(scene), FakeSound(scene, names=()))
    with pytest.raises(MediaError, match="this machine has no microphone"):
        Webcam()


def test_a_machine_with_neither_camera_nor_microphone_is_told_of_both(
    monkeypatch: pytest.MonkeyPatch, scene: Scene
) -> None:
    use(monkeypatch, FakeCv2(scene), FakeSound(scene, names=()))
    monkeypatch.setattr(capture, "cameras", list)
    both = "machine has no camera; there is no microphone 'default': this machine has no microphone"
    with pytest.raises(MediaError, match=both) as told:
        Webcam(camera=7)
    assert not isinstance(told.value, NotInstalledError)


@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_cameras_that_nothing_could_open_are_not_listed_as_none(
    monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setattr("sys.platform", platform)
    with pytest.raises(NotInstalledError, match="camera needs OpenCV"):
        capture.cameras()


def test_libraries_that_are_missing_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(NotInstalledError, match=r"camera needs OpenCV.*; a microphone needs sound"):
        Webcam()


@pytest.mark.parametrize(
    ("module", "error", "says"),
    [
        ("cv2", ModuleNotFoundError("no cv2"), "pip install 'echosieve.webcam.'"),
        ("cv2", ImportError("libGL.so.1: cannot open shared object file"), "apt install libgl1"),
        ("sounddevice", ModuleNotFoundError("no"), "pip install 'echosieve.webcam.'"),
        ("sounddevice", OSError("PortAudio library not found"), "apt install libportaudio2"),
    ],
)
def test_a_library_that_is_missing_is_told_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, module: str, error: Exception, says: str
) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **options: Any) -> Any:
        if name == module:
            raise error
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    load = capture.opencv if module == "cv2" else capture.portaudio
    with pytest.raises(MediaError, match=says):
        load()


def test_on_linux_the_system_lists_the_cameras(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for number, name in [(10, "Screen"), (2, "USB Camera")]:
        (tmp_path / f"video{number}").mkdir()
        (tmp_path / f"video{number}" / "name").write_text(f"{name}\n")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(capture, "_ROOT", tmp_path)
    found = [(device.id, device.name) for device in capture.cameras()]
    assert found == [("2", "USB Camera"), ("10", "Screen")]


def test_threads_of_fakes_end() -> None:
    assert not [thread for thread in threading.enumerate() if thread.name == "microphone"]
