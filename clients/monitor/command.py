"""`echosieve monitor [--check] CONFIG.toml`."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

from clients.monitor.config import MonitorConfig, load
from clients.monitor.run import Monitor, client_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG.toml", help="see docs/MONITOR.md")
    parser.add_argument(
        "--check", action="store_true", help="say whether the configuration can be used, and end"
    )


def run(args: argparse.Namespace) -> int:
    """Raises EchoSieveError."""
    config = load(args.config)
    client_of(config)  # its address may be the environment's
    if args.check:
        print(f"{args.config}: {summary(config)}")
        return 0
    print(f"{args.config}: {summary(config)}; Ctrl-C ends it", flush=True)
    path = asyncio.run(until_told(Monitor(config)))
    print(f"the report is {path}")
    return 0


def summary(config: MonitorConfig) -> str:
    names = ", ".join(f"{source.name} ({source.kind})" for source in config.source)
    outlets = (["MQTT"] if config.mqtt else []) + ["webhook"] * len(config.webhook)
    told = ", ".join([*outlets, f"{config.folder}/report.md"])
    asked = len(config.watch)
    queries = f"{asked} standing {'query' if asked == 1 else 'queries'}"
    return f"watches {names}; {queries}; tells {told}"


async def until_told(monitor: Monitor) -> Path:
    """Until every source has ended, or SIGINT or SIGTERM asks for an end: then the report is
    written too."""
    running = asyncio.create_task(monitor.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, running.cancel)
    try:
        return await running
    except asyncio.CancelledError:
        return monitor.report
