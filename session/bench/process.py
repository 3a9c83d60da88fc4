"""The real service in a process of its own, for measurements of the whole."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe

import httpx

from session.app import create_app
from session.config import ServiceConfig
from session.engine.loading import load_engine
from session.server import bound, run, url_of
from sieve.workers import end_with_parent

READY_S = 300.0  # for the model to load
ENDED_S = 15.0  # for the process to go when asked to


class ServiceEnded(Exception):
    """The service did not start, or ended by itself; the text says what is known."""


@contextmanager
def service(config: ServiceConfig) -> Iterator[str]:
    """A service in a process of its own; its URL. Raises ServiceEnded."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    process = spawn.Process(target=_serve, args=(config, there), daemon=True)
    process.start()
    there.close()
    try:
        if not here.poll(READY_S):
            raise ServiceEnded(f"the service did not start within {READY_S:g} s")
        yield here.recv()
        if not process.is_alive():
            raise ServiceEnded(f"the service ended by itself (exit code {process.exitcode})")
    except EOFError:
        raise ServiceEnded("the service could not start; see above") from None
    finally:
        process.terminate()
        process.join(ENDED_S)
        process.kill()
        process.join()
        here.close()


async def metrics_of(client: httpx.AsyncClient) -> dict[str, float]:
    """What `/metrics` tells, by name."""
    lines = (await client.get("/metrics")).text.splitlines()
    samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def _serve(config: ServiceConfig, tell: Pipe) -> None:
    """The service's process; tells its address as soon as it has one."""
    end_with_parent()
    loaded = load_engine(config)
    listener = bound(config.host, 0)
    listener.listen()  # whoever comes before the server is there waits, and is not refused
    tell.send(url_of(listener))
    run(create_app(config, loaded), listener)
