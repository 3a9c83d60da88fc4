"""``echosieve eval --benchmark NAME --data DIR``: one command for somebody who has the data."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sieve.errors import SettingInvalid
from sieve.eval.benchmarks.catalogue import LOADERS, load
from sieve.eval.benchmarks.item import Item, LeftOut
from sieve.eval.benchmarks.results import Results
from sieve.eval.benchmarks.runner import Report, report, run, write
from sieve.eval.benchmarks.score import Tally
from sieve.eval.benchmarks.settings import Settings, Wishes, prepare

_SHOWN = 20  # entries that were left out; all of them stand in the JSON


def add_arguments(parser: argparse.ArgumentParser) -> None:
    usual = Wishes("", "")
    parser.add_argument("--benchmark", choices=tuple(LOADERS), required=True)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="its files")
    parser.add_argument("--model", default="demo", metavar="DIR_OR_HUB_ID")
    parser.add_argument("--sieve", metavar="DIR", help="a directory with CS2 weights")
    parser.add_argument("--mode", choices=("streamed", "offline"), default=usual.mode)
    parser.add_argument("--retention", type=float, metavar="SHARE", help="default: the model's own")
    parser.add_argument("--selector", metavar="NAME", help="default: the model's sieve")
    parser.add_argument("--tracks", choices=("both", "video", "audio", "none"), default="both")
    parser.add_argument("--fps", type=int, default=usual.fps, help="pictures a second")
    parser.add_argument("--max-pixels", type=int, help="of a picture; default: the model's own")
    parser.add_argument(
        "--max-frames", type=int, default=usual.max_frames, help="of a whole clip (offline)"
    )
    parser.add_argument("--slots", type=int, default=usual.slots, help="of the memory (streamed)")
    parser.add_argument("--max-tokens", type=int, default=usual.max_tokens, help="of an answer")
    parser.add_argument(
        "--prompt",
        choices=("documented", "bare"),
        help="bare: the question alone (default for the built-in model, which knows no letters)",
    )
    parser.add_argument("--device", default=usual.device, help="cpu, cuda ...")
    parser.add_argument("--limit", type=int, metavar="N", help="N questions, evenly spread")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="answers go beside it")


def run_benchmark(args: argparse.Namespace) -> int:
    """Load, ask, score, print, write. Raises SieveError, OSError."""
    _check(args)
    loading = load(args.benchmark, args.data)  # before the model: it is quick to fail
    items = spread(loading.items, args.limit)
    model, settings = prepare(_wishes(args))
    tracks = "" if args.tracks == "both" else f"-{args.tracks}"
    out = args.out or Path("runs/eval") / f"{args.benchmark}-{args.mode}{tracks}.json"
    results = Results(out.with_suffix(".jsonl"), asdict(settings))
    with _progress() as progress:
        task = progress.add_task(args.benchmark, total=len(items))
        unasked = run(items, model, settings, results, lambda n: progress.advance(task, n))
    left_out = [*loading.left_out, *unasked]
    made = report(items, settings, results, left_out, len(loading.items))
    write(made, out)
    show(made, Console())
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raises SettingInvalid for a number that cannot be, or a file that would take two things."""
    if args.out is not None and args.out.suffix != ".json":
        raise SettingInvalid(
            f"--out is a .json file (answers go to .jsonl beside it), not {args.out}"
        )
    ranges = {"fps": 30, "max_frames": 100_000, "max_pixels": 10_000_000}
    ranges |= {"slots": 1_000_000, "max_tokens": 1024, "limit": 1_000_000}
    for name, most in ranges.items():
        value = getattr(args, name)
        if value is not None and not 1 <= value <= most:
            option = "--" + name.replace("_", "-")
            raise SettingInvalid(f"{option} is a whole number from 1 to {most}, not {value}")


def _wishes(args: argparse.Namespace) -> Wishes:
    return Wishes(**{field.name: getattr(args, field.name) for field in fields(Wishes)})


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))


def spread(items: Sequence[Item], limit: int | None) -> list[Item]:
    """The items of at most ``limit`` entries from all over the benchmark, in its order."""
    entries = list(dict.fromkeys(item.where for item in items))
    if limit is None or limit >= len(entries):
        return list(items)
    chosen = {entries[i * len(entries) // limit] for i in range(limit)}
    return [item for item in items if item.where in chosen]


def show(made: Report, console: Console) -> None:
    """The score with what it depends on, and what was left out."""
    settings, asked = made.settings, made.score.all.asked
    title = f"{settings.benchmark}, {settings.mode}: {asked} of {made.available} questions asked"
    table = Table(title=title, box=SIMPLE, caption=said(settings))
    for head in ("", "%", "right", "of", "unparsable"):
        table.add_column(head, justify="left" if not head else "right")
    for name, figure in made.score.figures.items():
        table.add_row(f"[bold]{name}", f"[bold]{figure:.2f}", "", "", "")
    every = {"all questions asked": made.score.all}
    for parts in (made.score.groups, made.score.tasks, every):
        table.add_section()
        for name, part in parts.items():
            table.add_row(escape(name), *_row(part))
    console.print(table)
    _show_left_out(made.left_out, console)


def _row(part: Tally) -> tuple[str, ...]:
    return f"{part.percent:.2f}", str(part.right), str(part.asked), str(part.unparsable)


def _show_left_out(left_out: Sequence[LeftOut], console: Console) -> None:
    if not left_out:
        return
    console.print(f"{len(left_out)} entries were left out:", highlight=False)
    for one in left_out[:_SHOWN]:
        console.print(f"  {one.where}: {one.reason}", highlight=False, markup=False)
    if len(left_out) > _SHOWN:
        console.print(f"  and {len(left_out) - _SHOWN} more; the JSON names them all")


def said(settings: Settings) -> str:
    """The settings in a line."""
    return ", ".join(
        f"{name} {value}" for name, value in asdict(settings).items() if value is not None
    )
