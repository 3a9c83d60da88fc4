"""A broker of one's own: mosquitto on loopback, which can be killed and started again."""

from __future__ import annotations

import asyncio
import random
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

PORTS = range(20_000, 32_000)


def find_mosquitto() -> str | None:
    """The program, which Debian keeps out of a user's path."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


class Mosquitto:
    """A broker that keeps what it must on disk, and can be killed."""

    def __init__(self, folder: Path, *access: str) -> None:
        """`access`: lines of its configuration that say who may come in; by default everybody.

        Raises FileNotFoundError where there is none.
        """
        found = find_mosquitto()
        if found is None:
            raise FileNotFoundError("there is no mosquitto here: apt-get install mosquitto")
        self.port = free_port()
        self._command = [found, "-c", str(folder / "mosquitto.conf")]
        lines = ["user root", "persistence true", f"persistence_location {folder}/"]
        lines += ["autosave_on_changes true", "autosave_interval 1"]
        lines += [f"listener {self.port} 127.0.0.1", *(access or ("allow_anonymous true",))]
        (folder / "mosquitto.conf").write_text("\n".join(lines))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, stdout=quiet, stderr=quiet)

    async def listening(self) -> None:
        """Wait until it takes connections."""
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.02)

    def kill(self) -> None:
        """At once (SIGKILL), as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def free_port() -> int:
    """One below those from which systems take the ports of connections: it stays free until it is
    listened at. Raises OSError where none is free."""
    for port in random.SystemRandom().sample(PORTS, 100):
        with suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port
    raise OSError("no port of this machine is free to listen at")
