"""Servers of live streams on loopback, for the tests of sources that have an address."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


class FromTheMiddle(Quiet):
    """Knows how to begin in the middle of a file (RFC 9110, section 14)."""

    def do_GET(self) -> None:
        content = Path(self.translate_path(self.path)).read_bytes()
        asked = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(content[start:])


@contextmanager
def folder_on_http(folder: Path, *, ranges: bool = False) -> Iterator[str]:
    """The URL of a folder; with `ranges` of a server that can begin in the middle of a file."""
    handler = FromTheMiddle if ranges else Quiet
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
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
