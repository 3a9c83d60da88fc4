"""The real service as its own process, with the built-in model."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from clients.monitor.bench.mosquitto import free_port
from tests.e2e.browsing import axe, browser, chromium, devices, open_page
from tests.e2e.faked import line, page

__all__ = ["axe", "browser", "chromium", "devices", "line", "open_page", "page"]

ROOT = Path(__file__).parents[2]
START_S = 90.0
STOP_S = 15.0


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running `echosieve serve`."""
    port = free_port()
    log = tmp_path_factory.mktemp("service") / "log"
    command = [sys.executable, "-m", "clients.cli", "serve", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, env=_quiet())
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(STOP_S)


@pytest.fixture(scope="session")
def horizon_s(service: str) -> float:
    """How far back the model of the running service remembers."""
    return float(httpx.get(f"{service}/readyz").json()["horizon_s"])


def _quiet() -> dict[str, str]:
    """One thread for the model: the browser or the sender runs on the same machine."""
    return os.environ | {"OMP_NUM_THREADS": "1"}


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)  # not listening yet
    pytest.fail(f"the service did not start:\n{log.read_text()[-4000:]}")
