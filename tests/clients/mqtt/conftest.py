"""A broker, and a service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from clients.monitor.bench.mosquitto import Mosquitto
from tests.clients.mqtt.mosquitto import mosquitto
from tests.clients.sdk.conftest import Line, served


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with served() as line:
        yield line
    assert asyncio.all_tasks() == {asyncio.current_task()}
