"""A real broker that can be killed and started again, and a receiver that outlives it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from clients.monitor.bench.mosquitto import Mosquitto, find_mosquitto


def need_mosquitto() -> None:
    """A test is skipped where there is none, except where everything must run."""
    if find_mosquitto() is None and not os.environ.get("CI"):
        pytest.skip("there is no mosquitto on this machine: apt-get install mosquitto")


@contextmanager
def mosquitto(folder: Path, *lines: str) -> Iterator[Mosquitto]:
    need_mosquitto()
    broker = Mosquitto(folder, *lines)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


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
