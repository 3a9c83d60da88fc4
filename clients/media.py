"""Media for the SDK and the commands: what can be published, how it is sent, which devices.

The one bridge from clients to `stream`. It stands on aiortc, PyAV and numpy, so it is imported only
when something is published; OpenCV and sounddevice only when a device is asked for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from clients.sdk.errors import ConnectionLost, MediaCut, MediaFailed, NotInstalled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stream.live import LiveSource
    from stream.publish import Sending
    from stream.source import Source
    from stream.sources import Named
    from stream.window import Item

Media: TypeAlias = "Named"
"""A file, a folder, an address, a device (by its name), a source, or tracks of aiortc."""
Picture: TypeAlias = "NDArray[np.uint8]"  # [H, W, 3], RGB


WAITING = 64  # pieces that were delivered and are not taken
SILENT_S = 15.0  # after which a live source is taken for lost
MOST_PIXELS = 16_000_000
# What each extra brings: modules, by the names under which they are installed.
OF_MEDIA = {"aiortc": "aiortc", "av": "av", "numpy": "numpy"}
BROUGHT = {
    "media": OF_MEDIA,
    "webcam": OF_MEDIA | {"cv2": "opencv-python", "sounddevice": "sounddevice"},
}


@contextmanager
def failures(extra: str = "media") -> Iterator[None]:
    """What `stream` raises, as what it means to a client; `extra`: what the call takes."""
    try:
        from stream.publish import PublishError
        from stream.source import CutError, MediaError, NotInstalledError
    except ModuleNotFoundError as error:
        missing = [name for module, name in BROUGHT[extra].items() if not _is_there(module)]
        raise NotInstalled(
            f"not installed: {', '.join(missing) or error.name}: pip install 'echosieve[{extra}]'"
        ) from error
    try:
        yield
    # What these say is said again: of them, only what they come from is worth a traceback.
    except NotInstalledError as error:
        raise NotInstalled(str(error)) from error.__cause__
    except CutError as error:
        raise MediaCut(str(error)) from error.__cause__
    except MediaError as error:
        raise MediaFailed(str(error)) from error.__cause__
    except PublishError as error:
        raise ConnectionLost(str(error)) from error


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):  # ValueError: it is kept from being imported
        return False


async def sender_of(media: Media) -> Sender:
    """Raises MediaFailed where the media cannot be opened, or is a folder without any, NotInstalled
    where what sends it is not."""
    with failures():
        from stream.publish import Sending
        from stream.sources import source_of

        await asyncio.to_thread(_check_folder, media)
        return Sender(Sending(await asyncio.to_thread(source_of, media)))


def _check_folder(media: Media) -> None:
    """Nothing may ever come into an empty one, and who publishes it would wait. Raises
    MediaFailed."""
    if isinstance(media, str | Path) and Path(media).is_dir() and not holds_media(Path(media)):
        raise MediaFailed(
            f"{media}: there is no media file in this folder: name one with recordings; "
            "`echosieve watch FOLDER --wait` watches those that will come"
        )


def look_at(file: Path) -> None:
    """Opens a media file and closes it again. Raises MediaFailed where it cannot be used."""
    with failures():
        from stream.source import FileSource

        FileSource(file)


def holds_media(folder: Path) -> bool:
    """Whether there is a media file in it."""
    return any(_is_media(file) for file in sorted(folder.iterdir()) if file.is_file())


def _is_media(file: Path) -> bool:
    try:
        look_at(file)
    except MediaFailed:
        return False
    return True


def shown(address: str) -> str:
    """As it may be shown: without user and password."""
    from stream import live

    return live.shown(address)


async def opened(media: Media, from_s: float = 0.0) -> Source:
    """A file, or a film on a web server, begins at its time `from_s`. A live source breaks
    (MediaFailed) where nothing comes of it for `SILENT_S`, instead of waiting for it to come back:
    for who wants to know. Raises MediaFailed where it cannot be opened."""
    with failures():
        from stream.live import LiveSource
        from stream.source import FileSource, Rest
        from stream.sources import source_of

        source = await asyncio.to_thread(source_of, media, from_s)
    match source:
        case LiveSource():
            return Heard(source, SILENT_S)
        case FileSource():
            return Rest(source, from_s)
        case _:
            return source


class Sender:
    """Sends media once a connection is agreed upon; the signalling is the caller's."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending

    async def offer(self) -> str:
        """The SDP offer."""
        return await self._sending.offer()

    async def accept(self, answer_sdp: str) -> None:
        """Take the answer and begin. Raises ConnectionLost where it is unusable."""
        with failures():
            await self._sending.accept(answer_sdp)

    async def finished(self) -> None:
        """Wait for the end of the media. Raises MediaFailed, ConnectionLost."""
        with failures():
            await self._sending.finished()

    async def close(self) -> None:
        await self._sending.close()


# --- Devices --------------------------------------------------------------------------------------


def webcam(
    camera: int | None = 0,
    microphone: str | None = "default",
    seen: Callable[[Picture], None] | None = None,
) -> Source:
    """A camera of this machine, by its number, and a microphone, by a part of its name, to be
    published; None leaves either out. Every picture is shown to `seen` too, RGB, uint8 [H, W, 3].

    Raises MediaFailed where a device is missing, NotInstalled where a library is.
    """
    with failures("webcam"):
        from stream.capture import Webcam

        source = Webcam(camera, microphone)
    return source if seen is None else Shown(source, seen)


def cameras() -> list[tuple[str, str]]:
    """Number and name of each. Raises NotInstalled."""
    with failures("webcam"):
        from stream import capture

        return [(device.id, device.name) for device in capture.cameras()]


def microphones() -> list[tuple[str, str]]:
    """Name of each, and what is to say of it. Raises NotInstalled."""
    with failures("webcam"):
        from stream import capture

        return [(device.id, device.name) for device in capture.microphones()]


def opencv() -> Any:
    """The module cv2. Raises NotInstalled."""
    with failures("webcam"):
        from stream import capture

        return capture.opencv()


class Delivered:
    """A source of what somebody else delivers piece by piece, who waits while 64 are not taken."""

    def __init__(self, *, has_audio: bool, has_video: bool) -> None:
        self.has_audio, self.has_video = has_audio, has_video
        self._items: asyncio.Queue[Item] = asyncio.Queue(WAITING)
        self._ended = asyncio.Event()

    async def sound(self, time_s: float, pcm: bytes) -> None:
        """16 kHz, mono, 16 bit little endian; `time_s`: of the first sample."""
        import numpy as np

        from stream.window import Sound

        samples = np.frombuffer(pcm, "<i2").astype(np.float32) * np.float32(1 / 32_768)
        await self._items.put(Sound(time_s, samples))

    async def picture(self, time_s: float, jpeg: bytes) -> None:
        """Raises MediaFailed for what is no JPEG, or one of more than 16 million pixels."""
        from stream.window import Frame

        await self._items.put(Frame(time_s, await asyncio.to_thread(picture_of, jpeg)))

    def end(self) -> None:
        """Nothing more will come; what has come is still sent."""
        self._ended.set()

    async def __aiter__(self) -> AsyncIterator[Item]:
        ended = asyncio.create_task(self._ended.wait())
        try:
            while not (self._ended.is_set() and self._items.empty()):
                taking = asyncio.create_task(self._items.get())
                try:
                    await asyncio.wait({taking, ended}, return_when=asyncio.FIRST_COMPLETED)
                    if taking.done():
                        yield taking.result()
                finally:
                    taking.cancel()
        finally:
            ended.cancel()


def picture_of(jpeg: bytes) -> Picture:
    """RGB. Raises MediaFailed."""
    import av

    from stream.frames import MAX_SIDE, to_rgb

    decoder = av.CodecContext.create("mjpeg", "r")
    decoder.options = {"max_pixels": str(MOST_PIXELS)}
    try:
        frames = decoder.decode(av.Packet(jpeg))
    except (av.FFmpegError, ValueError) as error:
        raise MediaFailed(f"this is no JPEG that can be used: {error}") from error
    if not frames or not isinstance(frames[0], av.VideoFrame):
        raise MediaFailed("this is no JPEG that can be used")
    return to_rgb(frames[0], MAX_SIDE)


class Heard:
    """A live source that breaks where nothing comes of it for `silent_s`."""

    def __init__(self, source: LiveSource, silent_s: float) -> None:
        self.has_audio, self.has_video = source.has_audio, source.has_video
        self._source = source
        self._silent_s = silent_s

    async def __aiter__(self) -> AsyncIterator[Item]:
        """Raises MediaError."""
        from stream.source import MediaError

        items = cast("AsyncGenerator[Item]", aiter(self._source))
        async with aclosing(items):
            while True:
                taking = asyncio.ensure_future(anext(items, None))
                try:
                    while not (await asyncio.wait({taking}, timeout=self._silent_s))[0]:
                        if time.monotonic() - self._source.came_s >= self._silent_s:
                            raise MediaError(f"nothing came for {self._silent_s:g} s")
                finally:
                    taking.cancel()
                    await asyncio.wait({taking})
                if (item := taking.result()) is None:
                    return
                yield item


class Noticed:
    """A source of which it is known whether anything came, and when more does."""

    def __init__(self, source: Source) -> None:
        self.has_audio, self.has_video = source.has_audio, source.has_video
        self.came = False
        self._source = source
        self._more = asyncio.Event()

    async def more(self) -> None:
        """Until something has come since the last time."""
        await self._more.wait()
        self._more.clear()

    async def __aiter__(self) -> AsyncIterator[Item]:
        async for item in self._source:
            self.came = True
            self._more.set()
            yield item


class Shown:
    """A source whose pictures are shown to somebody on their way."""

    def __init__(self, source: Source, seen: Callable[[Picture], None]) -> None:
        self.has_audio, self.has_video = source.has_audio, source.has_video
        self._source = source
        self._seen = seen

    async def __aiter__(self) -> AsyncIterator[Item]:
        from stream.window import Frame

        async for item in self._source:
            if isinstance(item, Frame):
                self._seen(item.rgb)
            yield item
