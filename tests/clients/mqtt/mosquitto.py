"""A real broker that can be killed and started again, and a receiver that outlives it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


def need_mosquitto() -> str:
    """The program; a test is skipped where there is none, except where everything must run."""
    if MOSQUITTO is None and not os.environ.get("CI"):
        pytest.skip("there is no mosquitto on this machine: apt-get install mosquitto")
    assert MOSQUITTO is not None, "CI needs a mosquitto"
    return MOSQUITTO


class Mosquitto:
    """Listens on loopback; keeps its sessions and messages on disk, as a broker should."""

    def __init__(self, folder: Path, *lines: str) -> None:
        self._program = need_mosquitto()
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        access = lines or ("allow_anonymous true",)
        persistence = (
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
        )
        listener = f"listener {self.port} 127.0.0.1"
        self._config.write_text("\n".join(["user root", *persistence, listener, *access]))

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """At once, as a power cut does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    async def listening(self) -> None:
        """Wait until it takes connections."""
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.02)


@contextmanager
def mosquitto(folder: Path, *lines: str) -> Iterator[Mosquitto]:
    broker = Mosquitto(folder, *lines)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert isinstance(port, int)
        return port


@dataclass
class Receiver:
    """Keeps everything that comes, over restarts of the broker."""

    port: int
    got: list[aiomqtt.Message] = field(default_factory=list)
    client: aiomqtt.Client | None = None

    def on(self, topic: str) -> list[aiomqtt.Message]:
        return [message for message in self.got if message.topic.matches(topic)]

    def json(self, topic: str) -> list[Any]:
        return [json.loads(payload(message)) for message in self.on(topic)]

    async def until(self, is_so: Callable[[], object]) -> None:
        async with asyncio.timeout(60.0):
            while not is_so():  # noqa: ASYNC110 - nothing to wait upon from outside
                await asyncio.sleep(0.005)

    async def connected(self) -> aiomqtt.Client:
        await self.until(lambda: self.client)
        assert self.client is not None
        return self.client

    async def run(self) -> None:
        while True:
            with suppress(aiomqtt.MqttError):
                async with self._client() as client:
                    await client.subscribe("#", qos=1)
                    self.client = client
                    async for message in client.messages:
                        self.got.append(message)
            self.client = None
            await asyncio.sleep(0.02)

    def _client(self) -> aiomqtt.Client:
        return aiomqtt.Client(
            "127.0.0.1",
            self.port,
            identifier="receiver",
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=session_kept(),
        )


def session_kept() -> aiomqtt.client.Properties:
    properties = aiomqtt.client.Properties(1)  # CONNECT
    properties.SessionExpiryInterval = 3_600
    return properties


def payload(message: aiomqtt.Message) -> bytes:
    assert isinstance(message.payload, bytes)
    return message.payload


@asynccontextmanager
async def receiving(port: int) -> AsyncIterator[Receiver]:
    receiver = Receiver(port)
    task = asyncio.create_task(receiver.run())
    try:
        await receiver.connected()
        yield receiver
    finally:
        task.cancel()
        await asyncio.wait({task})
