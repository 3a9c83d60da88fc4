"""``echosieve eval``: the suite's studies, from the command line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from sieve.errors import BudgetUnreachable, SettingInvalid
from sieve.eval.arms import ARMS, AS_PUBLISHED, EVERYTHING_AGAIN, Arm, Budget
from sieve.eval.case import Case
from sieve.eval.outcomes import Journal, LeftOut, Mode
from sieve.eval.pace import measured
from sieve.eval.run import Job, Models, Plan, carry_out, todo
from sieve.eval.tasks import TASKS
from sieve.eval.trial import LEAST_SLOTS
from sieve.folder import held
from sieve.model import Model
from sieve.prune import shares
from sieve.selectors import REFINED

MODES: tuple[Mode, ...] = ("streamed", "offline")
SEEDS = (1, 2, 3)
CASES = 20
COMPARED_LONG = (
    "random",
    "similarity",
    "fastav",
    "seats",
)  # of the methods, where an arm costs hours


@dataclass(frozen=True, slots=True)
class Study:
    """A question, and the part of task x arm x budget x mode that answers it."""

    asks: str
    tasks: tuple[str, ...]
    arms: tuple[str, ...]
    retentions: tuple[float, ...] = (1.0, 0.4, 0.2, 0.1, 0.05)
    modes: tuple[Mode, ...] = ("streamed",)


ABILITIES = ("T1", "T2", "T3", "T4", "T5", "T6", "T7", "T7 told", "T8")
STUDIES = {
    "arms": Study(
        "what each method keeps of the full accuracy, live",
        ("clips",),
        ("control", "method", "per-modality top-k"),
    ),
    "streams": Study(
        "the same on streams of half an hour",
        ("streams",),
        (
            "full",
            "blind",
            "sieve",
            "recent-N",
            "recent-4-frames",
            "per-modality top-k",
            *(f"{form}{name}" for name in COMPARED_LONG for form in ("", REFINED)),
        ),
        (1.0, 0.2, 0.1, 0.05),
    ),
    "published": Study(
        "what methods that drop tokens inside the LLM reach in their published form",
        ("clips",),
        ("full", "keep-all", "sieve", "random", *(arm.name for arm in AS_PUBLISHED)),
        modes=("offline",),
    ),
    "abilities": Study(
        "which ability needs which part of CS2; live, and the whole clip with the question known",
        ABILITIES,
        ("control", "ablation", "refined-similarity", "refined-random", "trained"),
        (1.0, 0.2, 0.1, 0.05),
        MODES,
    ),
    "ablations": Study(
        "what each part of CS2 is worth over all kinds of questions",
        ("clips",),
        ("full", "sieve", "ablation", "refined-similarity", "trained"),
        (1.0, 0.2, 0.1),
        MODES,
    ),
    "regret": Study(
        "what is lost by sieving window by window, the question unknown",
        ("T9", "clips"),
        ("full", "sieve", EVERYTHING_AGAIN),
        modes=MODES,
    ),
    "memory": Study("which way of forgetting", ("memory",), ("memory",)),
    "newest": Study(
        "what each way of forgetting costs of what is newest, after half an hour",
        ("newest",),
        (
            "score with age",
            "half the fading",
            "twice the fading",
            "score alone",
            "fixed share",
            "recent first",
            "newest windows whole",
        ),
    ),
    "horizon": Study(
        "what happens after 21.8 minutes",
        ("horizon", "old milestones"),
        ("score with age", "no horizon", "as shipped"),
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A study says what is run; every part of it can be said otherwise."""
    parser.epilog = "With --benchmark NAME: a public benchmark instead (--benchmark NAME --help)."
    parser.add_argument("--study", choices=tuple(STUDIES), default="arms")
    parser.add_argument("--model", default="demo", help="model directory (default %(default)s)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: runs/STUDY")
    parser.add_argument("--tasks", nargs="+", choices=tuple(TASKS), metavar="TASK")
    parser.add_argument("--arms", nargs="+", metavar="ARM", help="by name or group")
    parser.add_argument("--retentions", nargs="+", type=float, metavar="SHARE")
    parser.add_argument("--modes", nargs="+", choices=MODES)
    parser.add_argument(
        "--slots", nargs="+", type=int, metavar="N", help="of the memory, in tasks about forgetting"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--cases", type=int, default=CASES, help="of a task and seed (%(default)s)")
    parser.add_argument("--trained", metavar="JSON", help="models that were trained as arms")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ...")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--list", action="store_true", help="say what there is, and end")


def run(args: argparse.Namespace) -> int:
    """Do what is not done yet. Raises SettingInvalid for settings that cannot be had."""
    console = Console()
    if args.list:
        _list(console)
        return 0
    plan = plan_of(args)
    check_asked(plan, args.arms or ())
    folder = args.out or Path("runs") / args.study
    if folder.exists() and not folder.is_dir():
        raise SettingInvalid(f"--out: {folder} is a file; name a folder, which need not exist yet")
    plan = possible(plan)  # before a folder is made for what cannot be had
    with held(folder):
        _run(console, plan, folder, args.workers)
    return 0


def _run(console: Console, plan: Plan, folder: Path, workers: int) -> None:
    journal = Journal(folder)
    journal.begin(plan.setting)
    journal.leave_out(plan.left_out)
    for line in plan.left_out:
        console.print(f"left out: {line.arm}{line.budget and ', '}{line.budget}: {line.why}")
    work = todo(plan, journal)
    cells = sum(len(job.cells) for job in work)
    told = f"{folder}: {cells} cells to do in {len(work)} cases"
    console.print(told, soft_wrap=True)  # a path is copied in one piece
    if cells:
        _estimate(console, plan, work, workers)
        _carry_out(console, plan, journal, work, workers)
    console.print(f"done: echosieve report {folder}", soft_wrap=True)


def plan_of(args: argparse.Namespace) -> Plan:
    """The study with what was said otherwise. Raises SettingInvalid."""
    study = STUDIES[args.study]
    retentions = tuple(args.retentions or study.retentions)
    if not all(0.0 < share <= 1.0 for share in retentions):
        raise SettingInvalid(f"retentions are shares in (0, 1], got {list(retentions)}")
    if min(args.slots or [LEAST_SLOTS]) < LEAST_SLOTS:
        raise SettingInvalid(f"--slots are {LEAST_SLOTS} or more")
    if args.cases < 1 or args.workers < 1 or min(args.seeds) < 0:
        raise SettingInvalid("--cases and --workers are 1 or more, --seeds 0 or more")
    return Plan(
        model=args.model,
        tasks=tuple(args.tasks or study.tasks),
        arms=tuple(args.arms or study.arms),
        retentions=retentions,
        seeds=tuple(args.seeds),
        cases=args.cases,
        modes=tuple(args.modes or study.modes),
        slots=tuple(args.slots or ()),
        trained=args.trained,
        device=args.device,
    )


def check_asked(plan: Plan, names: Sequence[str]) -> None:
    """Raises SettingInvalid where there is nothing to ask, or not of an arm that was named."""
    asked = {cell.arm for cell in plan.cells()}
    for arm in plan.arm.values():
        if arm.name in names and arm.name not in asked:
            raise SettingInvalid(f"{arm.name} would not be asked: {_unasked(plan, arm)}")
    if not asked:
        raise SettingInvalid("of these tasks, arms, retentions and modes nothing can be asked")


def _unasked(plan: Plan, arm: Arm) -> str:
    if not {*arm.modes} & {*plan.modes}:
        return f"it goes with --modes {' '.join(arm.modes)}"
    if not any(arm.group in TASKS[name].groups for name in plan.tasks):
        fitting = [name for name, task in TASKS.items() if arm.group in task.groups]
        return f"arms of the group {arm.group} go with the tasks {', '.join(fitting)}"
    if arm.full:
        return "it reads all tokens: give --retentions with 1"
    return "it keeps a part of the tokens: give --retentions with one below 1"


def possible(plan: Plan) -> Plan:
    """The plan without what cannot be had of its models: arms, and budgets below their floors."""
    case = TASKS["first"].made(0, 0, 2)
    models = Models(plan.device)
    asked = [arm for arm in plan.arm.values() if {*arm.modes} & {*plan.modes}]
    arms = [(arm, models.of(arm.model or plan.model)) for arm in asked]
    refused = [line for arm, model in arms for line in _refused(plan, arm, model, case)]
    return replace(plan, left_out=tuple(refused))


def _refused(plan: Plan, arm: Arm, model: Model, case: Case) -> Iterator[LeftOut]:
    try:
        arm.method(model, case)
    except SettingInvalid as error:
        yield LeftOut(arm.name, "", str(error))
        return
    if arm.pruner is None:
        return
    for share in plan.retentions:
        try:
            shares(arm.pruner, model.backbone.depth, share)
        except BudgetUnreachable as error:
            yield LeftOut(arm.name, Budget(share).name, str(error))


def _estimate(console: Console, plan: Plan, work: Sequence[Job], workers: int) -> None:
    pace = measured(Models(plan.device).of(plan.model))
    hours = sum(pace.of(job) for job in work) / min(workers, len(work)) / 3600
    console.print(
        f"a window {1000 * pace.case_s:.0f} ms once and {1000 * pace.cell_s:.0f} ms an arm, "
        f"a question {1000 * pace.question_s:.0f} ms: about {hours:.2f} hours with "
        f"{workers} processes"
    )


def _carry_out(
    console: Console, plan: Plan, journal: Journal, work: Sequence[Job], workers: int
) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        shown = bar.add_task("", total=sum(len(job.cells) for job in work))
        for cell in carry_out(plan, journal, work, workers):
            said = f"{cell.task} {cell.seed}.{cell.case} {cell.arm}, {cell.budget}"
            bar.update(shown, advance=1, description=said)


def _list(console: Console) -> None:
    """Every study, task and arm in a line."""
    for title, lines in (
        ("Studies", [(name, study.asks) for name, study in STUDIES.items()]),
        ("Tasks", [(name, task.exposes) for name, task in TASKS.items()]),
        ("Arms", [(f"{arm.name} ({arm.group})", arm.about) for arm in ARMS.values()]),
    ):
        table = Table(title=title, box=None, show_header=False, title_justify="left")
        for name, about in lines:
            table.add_row(name, about)
        console.print(table)
