"""Servers of live streams on loopback, for the tests of sources that have an address."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import imageio_ffmpeg

ENCODING = [
    *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "10"),
    *("-pix_fmt", "yuv420p", "-c:a", "aac", "-ar", "48000", "-threads", "1"),
]


def ffmpeg(*arguments: str) -> None:
    """Raises CalledProcessError."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y"]
    subprocess.run([*command, *arguments], check=True, stdin=subprocess.DEVNULL)


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def folder_on_http(folder: Path) -> Iterator[str]:
    """The URL of a folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


def hls(clip: Path, folder: Path) -> Path:
    """A recorded list of segments of one second."""
    folder.mkdir()
    target = folder / "list.m3u8"
    cutting = ("-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod")
    ffmpeg("-i", str(clip), *ENCODING, *cutting, str(target))
    return target
