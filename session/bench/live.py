"""`echosieve bench live`: what a stream costs while it runs, and what a question costs at any age.

Three measurements. *Ages*: one engine, one row for each age of a stream; the clock jumps, the
windows are real; questions go round all rows in turn, so that a change of the machine's speed meets
all ages alike. Beside it plain transformers, which reads everything again at each question.
*Sessions*: several sessions on the service's own worker at real time, asked while they stream, with
the media handed over in this process. *Media path*: `stream.measure`, WebRTC against bare aiortc.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from session.bench.ages import Age, Plain, measure_ages, measure_plain
from session.bench.sessions import Sessions, measure_sessions
from session.engine.loading import model_of
from session.options import add_model, add_sessions, config_of, count
from sieve.eval.machine import describe_machine
from sieve.tokens import WINDOW_S
from stream.measure import MediaCost, measure_media

PLAIN_S = (60, 300)  # how much plain transformers is given to read; more takes minutes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_sessions(parser, "that stream at once")
    parser.add_argument(
        "--seconds", type=count(3_600, 5), default=20, help="they stream (default %(default)s)"
    )
    parser.add_argument(
        "--runs",
        type=count(10_000),
        default=60,
        help="questions at each age (default %(default)s)",
    )
    parser.add_argument("--no-media", action="store_true", help="leave the media path out")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Measure, print, write. Raises SieveError for a model that cannot be loaded."""
    model = model_of(config_of(args))
    ages = measure_ages(model, args.runs)
    plain = [measure_plain(model, seconds, runs=3) for seconds in PLAIN_S]
    sessions = asyncio.run(measure_sessions(model, args.sessions, args.seconds))
    media = None if args.no_media else measure_media()
    report = {
        "bench": "live",
        "model": args.model,
        "retention": model.retention,
        "runs": args.runs,
        "machine": describe_machine(args.device),
        "ages": [asdict(age) for age in ages],
        "plain_transformers": [asdict(one) for one in plain],
        "sessions": asdict(sessions),
        "media_path": None if media is None else {**asdict(media), "ratio": media.ratio},
    }
    show(Console(), report, ages, plain, sessions, media)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def show(
    console: Console,
    report: dict[str, object],
    ages: Sequence[Age],
    plain: Sequence[Plain],
    sessions: Sessions,
    media: MediaCost | None,
) -> None:
    machine = report["machine"]
    assert isinstance(machine, dict)
    console.print(
        f"{report['model']} at {report['retention']:.0%}, {machine['device']} "
        f"({machine['processor']}, {machine['cores']} cores, {machine['threads']} threads)"
    )
    console.print(_ages_table(ages, plain))
    console.print(
        f"{sessions.sessions} sessions for {sessions.seconds:g} s at real time: "
        f"{sessions.windows} windows, {sessions.skipped} skipped, {sessions.questions} questions, "
        f"first token {sessions.first_token_ms:.0f} ms (median), "
        f"{sessions.first_token_p95_ms:.0f} ms (95th percentile); ingest takes "
        f"{sessions.ingest_share:.1%} of the engine's time"
    )
    if media is not None:
        console.print(
            f"media path: {media.peer_ms_per_s:.0f} ms of CPU a second of 640x480 VP8 at 30 fps, "
            f"bare aiortc {media.bare_ms_per_s:.0f} ms, ratio {media.ratio:.2f}"
        )


def _ages_table(ages: Sequence[Age], plain: Sequence[Plain]) -> Table:
    caption = "plain: transformers reads the whole stream again at each question"
    table = Table(box=SIMPLE, padding=0, pad_edge=False, caption=caption)
    heads = ("", "2 s ingested", "of real time", "first token", "x", "memory", "tokens")
    for head in heads:
        table.add_column(head, justify="left" if not head else "right", no_wrap=True)
    for age in ages:
        table.add_row(
            f"{age.age} old",
            f"{age.ingest_ms:.1f} ms",
            f"{age.ingest_ms / WINDOW_S / 10:.1f} %",
            f"{age.first_token_ms:.1f} ms",
            f"{age.first_token_ratio:.2f}",
            f"{age.memory_bytes / 1024:.0f} KiB",
            str(age.slots_used),
        )
    for one in plain:
        table.add_row(
            f"plain, {one.seconds} s old",
            "-",
            "-",
            f"{one.first_token_ms:.1f} ms",
            "-",
            "grows",
            str(one.tokens),
        )
    return table
