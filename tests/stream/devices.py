"""A camera and a microphone that show and play a scene, as cv2 and sounddevice would."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stream.window import SAMPLE_RATE
from stream.world.scene import Scene

SIZE = 168
FPS = 20


class Screen:
    """cv2's windows, as far as they are used."""

    COLOR_RGB2BGR = 4

    def __init__(self) -> None:
        self.shown: list[Any] = []
        self.windows = 0
        self.gui = "QT5"

    def getBuildInformation(self) -> str:  # noqa: N802 - cv2's name
        return f"  GUI:                           {self.gui}\n"

    def cvtColor(self, picture: Any, _: int) -> Any:  # noqa: N802 - cv2's name
        return picture[..., ::-1]

    def imshow(self, _: str, picture: Any) -> None:
        self.shown.append(picture)
        self.windows = 1

    def waitKey(self, _: int) -> int:  # noqa: N802 - cv2's name
        return -1

    def destroyAllWindows(self) -> None:  # noqa: N802 - cv2's name
        self.windows = 0


class FakeCv2(Screen):
    """cv2 with one camera, number 0. After so many `pictures` it is unplugged."""

    def __init__(self, scene: Scene, pictures: int = 1_000_000) -> None:
        super().__init__()
        self.scene = scene
        self.pictures = pictures
        self.open = 0

    def VideoCapture(self, number: int) -> FakeCapture:  # noqa: N802 - cv2's name
        return FakeCapture(self, number)


class FakeCapture:
    def __init__(self, cv2: FakeCv2, number: int) -> None:
        self._cv2 = cv2
        self._there = number == 0
        self._read = 0
        self._began_s = time.monotonic()
        cv2.open += 1

    def isOpened(self) -> bool:  # noqa: N802 - cv2's name
        return self._there

    def read(self) -> tuple[bool, Any]:
        """Blocks until the next picture, as a camera does."""
        if self._read == self._cv2.pictures:
            return False, None
        time_s = self._read / FPS
        time.sleep(max(0.0, self._began_s + time_s - time.monotonic()))
        self._read += 1
        return True, self._cv2.scene.frame(time_s, SIZE)[..., ::-1]

    def release(self) -> None:
        self._cv2.open -= 1


class FakeSound:
    """sounddevice with microphones of these names, and a loudspeaker."""

    class PortAudioError(Exception):
        pass

    def __init__(self, scene: Scene, names: Sequence[str] = ("USB Mic",)) -> None:
        self.scene = scene
        self.names = names
        self.open = 0

    def query_devices(self) -> list[dict[str, Any]]:
        microphones = [{"name": name, "max_input_channels": 1} for name in self.names]
        return [{"name": "Loudspeaker", "max_input_channels": 0}, *microphones]

    def InputStream(self, **settings: Any) -> FakeStream:  # noqa: N802 - sounddevice's name
        assert settings["device"] in (None, *range(1, len(self.names) + 1))
        return FakeStream(self, settings["blocksize"], settings["callback"])


class FakeStream:
    """Calls back from a thread of its own, as PortAudio does."""

    def __init__(self, sound: FakeSound, block: int, heard: Callable[..., None]) -> None:
        self._sound = sound
        self._block = block
        self._heard = heard
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._play, name="microphone")

    def __enter__(self) -> FakeStream:
        self._sound.open += 1
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._sound.open -= 1

    def _play(self) -> None:
        began_s, played = time.monotonic(), 0
        while not self._over.is_set():
            samples = self._sound.scene.sound(played / SAMPLE_RATE, self._block)
            played += self._block
            time.sleep(max(0.0, began_s + played / SAMPLE_RATE - time.monotonic()))
            self._heard(np.asarray(samples)[:, None], self._block, None, None)
