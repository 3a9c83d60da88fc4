"""A camera and a microphone of this machine as a source, through OpenCV and sounddevice."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from stream.frames import MAX_SIDE, to_rgb
from stream.merge import in_thread, merged
from stream.source import MediaError, NotInstalledError
from stream.window import SAMPLE_RATE, Frame, Item, Sound, Ticks

FPS = 10.0
PROBED = 5  # cameras that are tried where the system does not list them
BLOCK = 320  # samples: 20 ms
_WAITING = 100  # blocks of sound that may wait
_JITTER_S = 0.1  # of handing a block over; what is further off was lost, or is the clocks' drift
_ROOT = Path("/sys/class/video4linux")


@dataclass(frozen=True, slots=True)
class Device:
    """A camera (`id`: its number) or a microphone (`id`: its name)."""

    id: str
    name: str


class Webcam:
    """The camera with the number ``camera`` and the microphone with the name ``microphone`` (a part
    of it is enough; "default" is the system's own). None leaves either out.

    Times count from the start of the stream; a picture is captured when the camera hands it over, a
    sound when its block's first sample was recorded.
    """

    def __init__(
        self,
        camera: int | None = 0,
        microphone: str | None = "default",
        *,
        fps: float = FPS,
        max_side: int = MAX_SIDE,
    ) -> None:
        """Raises MediaError for neither of the two, and where a library or a device is missing."""
        if camera is None and microphone is None:
            raise MediaError("a webcam is a camera, a microphone, or both; neither was asked for")
        self._camera = camera
        self._fps = fps
        self._max_side = max_side
        self.has_video, self.has_audio = camera is not None, microphone is not None
        missing: list[MediaError] = []
        with _noted(missing):
            if camera is not None:
                _camera_opened(camera).release()
        with _noted(missing):
            self._microphone = None if microphone is None else _microphone_index(microphone)
        if missing:
            raise _together(missing)

    async def __aiter__(self) -> AsyncIterator[Item]:
        began_s = time.monotonic()
        streams: list[AsyncIterator[Item]] = []
        if self._camera is not None:
            streams.append(in_thread(self._frames(self._camera, began_s), 1))
        if self.has_audio:
            streams.append(self._sounds(began_s))
        async with aclosing(merged(*streams)) as items:
            async for item in items:
                yield item

    def _frames(self, camera: int, began_s: float) -> Generator[Item]:
        capture = _camera_opened(camera)
        ticks = Ticks(self._fps)
        try:
            while True:
                taken, bgr = capture.read()
                time_s = time.monotonic() - began_s
                if not taken:
                    raise MediaError(f"camera {camera} gives no more pictures: was it unplugged?")
                if ticks.wants(time_s):
                    yield Frame(time_s, _rgb(bgr, self._max_side))
        finally:
            capture.release()

    async def _sounds(self, began_s: float) -> AsyncIterator[Item]:
        loop, blocks = asyncio.get_running_loop(), asyncio.Queue[Sound](_WAITING)

        def put(sound: Sound) -> None:
            if not blocks.full():  # else the encoder is seconds behind, and sound is left out
                blocks.put_nowait(sound)

        def heard(block: NDArray[np.float32], *_: object) -> None:
            start_s = time.monotonic() - began_s - len(block) / SAMPLE_RATE
            loop.call_soon_threadsafe(put, Sound(start_s, block[:, 0].copy()))

        end_s: float | None = None
        with _microphone_opened(self._microphone, heard):
            while True:
                sound = await blocks.get()
                if end_s is not None and abs(sound.start_s - end_s) < _JITTER_S:
                    sound = replace(sound, start_s=end_s)  # blocks follow each other without seams
                end_s = sound.start_s + len(sound.samples) / SAMPLE_RATE
                yield sound


# --- Devices --------------------------------------------------------------------------------------


def cameras() -> list[Device]:
    """The cameras there are. Linux lists them; elsewhere the first few numbers are tried. Raises
    NotInstalledError where none could be opened."""
    cv2 = opencv()
    if sys.platform == "linux":
        found = sorted(_ROOT.glob("video*"), key=lambda path: int(path.name[5:]))
        return [Device(path.name[5:], (path / "name").read_text().strip()) for path in found]
    return [Device(str(n), f"camera {n}") for n in range(PROBED) if _is_there(cv2, n)]


def microphones() -> list[Device]:
    """The microphones there are. Raises MediaError where PortAudio is missing."""
    return [
        Device(str(device["name"]), f"{device['max_input_channels']} channels")
        for device in portaudio().query_devices()
        if device["max_input_channels"] > 0
    ]


def opencv() -> Any:
    """The module cv2. Raises NotInstalledError that says what to install."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what is wrong is ours to say
    try:
        import cv2
    except ModuleNotFoundError:
        raise NotInstalledError("a camera needs OpenCV: pip install 'echosieve[webcam]'") from None
    except ImportError as error:  # libGL or glib is not there
        raise NotInstalledError(
            f"OpenCV cannot be loaded ({error}): on Debian and Ubuntu, apt install libgl1 "
            "libglib2.0-0; or, without a preview, pip install opencv-python-headless"
        ) from None
    return cv2


def portaudio() -> Any:
    """The module sounddevice. Raises NotInstalledError that says what to install."""
    try:
        import sounddevice
    except ModuleNotFoundError:
        raise NotInstalledError(
            "a microphone needs sounddevice: pip install 'echosieve[webcam]'"
        ) from None
    except OSError as error:
        raise NotInstalledError(
            f"sounddevice cannot be loaded ({error}): on Debian and Ubuntu, apt install "
            "libportaudio2; on Fedora, dnf install portaudio"
        ) from None
    return sounddevice


def _camera_opened(number: int) -> Any:
    """A cv2.VideoCapture that is open. Raises MediaError."""
    if number < 0:  # OpenCV would crash
        raise MediaError(f"there is no camera {number}: they are numbered from 0 on")
    capture = opencv().VideoCapture(number)
    if not capture.isOpened():
        capture.release()
        raise MediaError(_why_no_camera(number))
    return capture


def _why_no_camera(number: int) -> str:
    found = cameras()
    if str(number) not in (device.id for device in found):
        return f"there is no camera {number}: {_listed('camera', found)}"
    return (
        f"camera {number} cannot be opened: another program may be using it, or this user may not "
        "(on Linux: the group `video`)"
    )


def _is_there(cv2: Any, number: int) -> bool:
    capture = cv2.VideoCapture(number)
    try:
        return bool(capture.isOpened())
    finally:
        capture.release()


def _microphone_index(name: str) -> int | None:
    """PortAudio's number of the first microphone with ``name`` in its name; None: the default."""
    devices = portaudio().query_devices()
    for index, device in enumerate(devices):
        if device["max_input_channels"] > 0 and name.lower() in str(device["name"]).lower():
            return index
    found = microphones()
    if name == "default" and found:
        return None
    raise MediaError(f"there is no microphone {name!r}: {_listed('microphone', found)}")


def _microphone_opened(index: int | None, heard: Any) -> Any:
    """A running stream of 16 kHz mono blocks, as a context. Raises MediaError."""
    sounddevice = portaudio()
    try:
        return sounddevice.InputStream(
            samplerate=SAMPLE_RATE,
            blocksize=BLOCK,
            channels=1,
            dtype="float32",
            device=index,
            callback=heard,
        )
    except sounddevice.PortAudioError as error:
        raise MediaError(f"the microphone cannot be opened: {error}") from None


@contextmanager
def _noted(missing: list[MediaError]) -> Iterator[None]:
    """What is missing of one device does not hide what is missing of the other."""
    try:
        yield
    except MediaError as error:
        missing.append(error)


def _together(missing: Sequence[MediaError]) -> MediaError:
    """All of it; to install something helps where nothing else is wrong."""
    installs = all(isinstance(error, NotInstalledError) for error in missing)
    kind = NotInstalledError if installs else MediaError
    return kind("; ".join(str(error) for error in missing))


def _listed(kind: str, devices: Sequence[Device]) -> str:
    if not devices:
        return f"this machine has no {kind}"
    return "there are " + ", ".join(f"{device.id} ({device.name})" for device in devices)


def _rgb(bgr: NDArray[np.uint8], max_side: int) -> NDArray[np.uint8]:
    return to_rgb(av.VideoFrame.from_ndarray(np.ascontiguousarray(bgr), format="bgr24"), max_side)
