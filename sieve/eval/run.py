"""A run of the suite: task x arm x budget x seed, in worker processes, into a journal.

The unit of work is a case: it is rendered once, its media go through the towers once, and all arms
that are still to be done for it follow. What is done is in the journal, so a run that was stopped
goes on where it was.
"""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from sieve.checkpoint import load_model, weights_of
from sieve.eval.arms import Arm, Budget, arms_of, trained_arms
from sieve.eval.case import Case
from sieve.eval.outcomes import Cell, Journal, LeftOut, Mode
from sieve.eval.tasks import TASKS, Task
from sieve.eval.towers import Memo, RememberingBackbone, tower_digest
from sieve.eval.trial import outcomes
from sieve.model import Model
from sieve.workers import end_with_parent


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run: tasks, arms (by name or group) and modes; ``cases`` of each task and seed.
    ``trained``: a JSON file that names arms which are models of their own. ``left_out``: arms and
    budgets that cannot be run. ``slots``: of the memory, where not those of the tasks about it."""

    model: str
    tasks: tuple[str, ...]
    arms: tuple[str, ...]
    retentions: tuple[float, ...]
    seeds: tuple[int, ...]
    cases: int
    modes: tuple[Mode, ...]
    trained: str | None = None
    device: str = "cpu"
    slots: tuple[int, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def setting(self) -> dict[str, Any]:
        """What must stay as it is when a run goes on: the model. More may be asked of it."""
        weights = weights_of(self.model)
        return {"model": self.model, "weights": weights, "trained": self.trained}

    @property
    def arm(self) -> dict[str, Arm]:
        """The arms by name. Raises SettingInvalid for one that is not there."""
        return _arms(self.arms, self.trained)

    def cells(self) -> Iterator[Cell]:
        """Everything to be done, case by case."""
        for name in self.tasks:
            task = TASKS[name]
            for seed in self.seeds:
                for index in range(min(self.cases, task.cases)):
                    for arm, budget, mode in self._trials(task):
                        yield Cell(name, seed, index, arm.name, budget.name, mode)

    def _trials(self, task: Task) -> Iterator[tuple[Arm, Budget, Mode]]:
        if self.slots and task.slots:
            task = replace(task, slots=self.slots)
        budgets = task.budgets([Budget(share) for share in self.retentions])
        for arm in self.arm.values():
            for budget in budgets:
                for mode in self.modes:
                    asked = mode in task.modes and arm.group in task.groups
                    if asked and arm.applies(budget, mode) and self._possible(arm, budget):
                        yield arm, budget, mode

    def _possible(self, arm: Arm, budget: Budget) -> bool:
        return not any(
            line.arm == arm.name and line.budget in ("", budget.name) for line in self.left_out
        )


@cache
def _arms(names: tuple[str, ...], trained: str | None) -> dict[str, Arm]:
    """Of each process its own: arms hold functions, which do not travel between processes."""
    found = trained_arms(Path(trained)) if trained else []
    return {arm.name: arm for arm in arms_of(names, found)}


@dataclass(frozen=True, slots=True)
class Job:
    """Cells of one case."""

    task: str
    seed: int
    index: int
    cells: tuple[Cell, ...]

    @property
    def windows(self) -> int:
        return TASKS[self.task].windows(self.seed, self.index)

    def case(self) -> Case:
        return TASKS[self.task].case(self.seed, self.index)


def jobs(cells: Iterable[Cell]) -> list[Job]:
    """Cells gathered by case, in their order."""
    gathered: dict[tuple[str, int, int], list[Cell]] = {}
    for cell in cells:
        gathered.setdefault((cell.task, cell.seed, cell.case), []).append(cell)
    return [Job(*key, tuple(found)) for key, found in gathered.items()]


class Models:
    """Models by directory, each loaded once; those with the same towers share what these see."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._loaded: dict[str, Model] = {}
        self._memos: dict[str, Memo] = {}

    def of(self, directory: str) -> Model:
        if directory not in self._loaded:
            model = load_model(directory, device=self._device)
            memo = self._memos.setdefault(tower_digest(model.backbone), {})
            backbone = RememberingBackbone(model.backbone, memo)
            self._loaded[directory] = replace(model, backbone=backbone)
        return self._loaded[directory]

    def forget(self) -> None:
        """What the towers have seen; the models stay."""
        for memo in self._memos.values():
            memo.clear()


class Bench:
    """What one process works with."""

    def __init__(self, plan: Plan, journal: Journal) -> None:
        self._plan, self._journal = plan, journal
        self._models = Models(plan.device)

    def work(self, job: Job) -> Iterator[Cell]:
        """Does the cells of a case; each is in the journal when it is told of."""
        self._models.forget()
        case = job.case()
        for cell in job.cells:
            arm = self._plan.arm[cell.arm]
            model = self._models.of(arm.model or self._plan.model)
            budget = Budget.named(cell.budget)
            self._journal.append(outcomes(model, case, arm, budget, cell.mode))
            yield cell


def todo(plan: Plan, journal: Journal) -> list[Job]:
    """What is not in the journal yet."""
    done = journal.done()
    return jobs(cell for cell in plan.cells() if cell not in done)


def carry_out(plan: Plan, journal: Journal, work: Sequence[Job], workers: int) -> Iterator[Cell]:
    """Does ``work`` in ``workers`` processes (one: in this one); tells of each cell when its
    outcomes are in the journal."""
    journal.mend()
    if workers == 1:
        bench = Bench(plan, journal)
        for job in work:
            yield from bench.work(job)
    else:
        yield from _in_processes(plan, journal, work, workers)


def _in_processes(
    plan: Plan, journal: Journal, work: Sequence[Job], workers: int
) -> Iterator[Cell]:
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    start = (plan, journal, told)
    with ProcessPoolExecutor(workers, context, _start, start) as pool:
        running = [pool.submit(_work, job) for job in work]
        try:
            for _ in range(sum(len(job.cells) for job in work)):
                yield _next(told, running)
        finally:
            pool.shutdown(cancel_futures=True)


def _next(told: multiprocessing.Queue[Cell], running: Sequence[Future[None]]) -> Cell:
    """The next finished cell; raises what a process has failed with."""
    while True:
        try:
            return told.get(timeout=1.0)
        except queue.Empty:
            for future in running:
                if future.done():
                    future.result()


_process: tuple[Bench, multiprocessing.Queue[Cell]] | None = None


def _start(plan: Plan, journal: Journal, told: multiprocessing.Queue[Cell]) -> None:
    """Of each worker process, once."""
    global _process
    end_with_parent()
    torch.set_num_threads(1)
    _process = Bench(plan, journal), told


def _work(job: Job) -> None:
    assert _process is not None
    bench, told = _process
    for cell in bench.work(job):
        told.put(cell)
