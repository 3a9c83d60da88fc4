"""What several folders of tests share."""

from __future__ import annotations

import os

# Two threads at most: the machines this runs on are small and shared.
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")

import asyncio
import inspect
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from sieve import Model, load_model
from tests import tiny

settings.register_profile(
    "echosieve",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize=True,
)
settings.load_profile("echosieve")

# Folders whose tests wait for clocks, browsers, brokers and services.
WAITING = {
    "pages": ("tests/e2e/",),
    "services": ("tests/clients/", "tests/session/bench/", "tests/session/test_"),
}


class WaitingTogether(LoadScopeScheduling):  # type: ignore[misc]
    """Tests that wait run one after the other in two processes; a third computes beside them."""

    def _split_scope(self, nodeid: str) -> str:
        groups = (name for name, folders in WAITING.items() if nodeid.startswith(folders))
        return next(groups, nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> WaitingTogether:
    return WaitingTogether(config, log)


@pytest.fixture(autouse=True, scope="session")
def state_home() -> Iterator[None]:
    """Services of the tests keep their journals where nobody else looks."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", folder)
        patch.delenv("ECHOSIEVE_KEY", raising=False)
        yield


@pytest.fixture(scope="session")
def stream_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A random tiny model with a sieve, laid out for streams as the built-in one is."""
    directory = tmp_path_factory.mktemp("stream")
    shape = tiny.TinyShape(sections=(2, 2, 2, 2))
    return load_model(tiny.write_sieve(directory, shape, ours=tiny.STREAM))


@pytest.fixture(scope="session")
def authors_model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The same in the authors' layout: refined text, anchors far apart."""
    directory = tmp_path_factory.mktemp("authors")
    shape = tiny.TinyShape(sections=(2, 2, 2, 2))
    return load_model(tiny.write_sieve(directory, shape), sync_rope_sections=(2, 2, 2, 2))


@pytest.fixture(scope="session")
def stock_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thinker without a sieve."""
    return tiny.write_stock(tmp_path_factory.mktemp("stock"), tiny.TinyShape())


@pytest.fixture(scope="session")
def stock_model(stock_directory: Path) -> Model:
    return load_model(stock_directory, retention=1.0)


@pytest.fixture(scope="session")
def demo_model() -> Model:
    """The built-in model."""
    return load_model("demo")


@pytest.fixture(autouse=True)
def no_thread_is_left_running() -> Iterator[None]:
    """No test may leave a thread behind; one that is on its way out gets a moment."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 5.0
    while (left := _threads_since(before)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left, f"threads left running: {left}"


@pytest.fixture(autouse=True)
def no_task_is_left_running(
    request: pytest.FixtureRequest, no_thread_is_left_running: None
) -> None:
    """Nor a task. Asked for before all other fixtures this looks last, but for the threads: some
    end with the loop."""
    if inspect.iscoroutinefunction(request.function):
        request.getfixturevalue("tasks_ended")


@pytest_asyncio.fixture
async def tasks_ended() -> AsyncIterator[None]:
    yield
    mine = asyncio.current_task()
    deadline = time.monotonic() + 5.0
    while (left := asyncio.all_tasks() - {mine}) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert not left, f"tasks left running: {left}"


def _threads_since(before: set[threading.Thread]) -> list[str]:
    now = set(threading.enumerate()) - before
    return [thread.name for thread in now if thread.is_alive() and not thread.daemon]
