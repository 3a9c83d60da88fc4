"""Processes that share every step: each reads its part of the crops, gradients are averaged.

On two processor cores two processes of one thread each are faster than one of two threads: the
steps of a small model are many small operations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.spawn import spawn

from sieve.workers import end_with_parent


class Team:
    """Member ``rank`` of ``size``; alone by default."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def leads(self) -> bool:
        """Whether this member writes checkpoints and the journal."""
        return self.rank == 0

    def share_of(self, count: int) -> int:
        """How many of ``count`` this member takes: at least one."""
        return max(1, count // self.size)

    def wait(self) -> None:
        """Until all members have come here."""
        if self.size > 1:
            dist.barrier()

    def average(self, parameters: Iterable[nn.Parameter]) -> None:
        """The mean of all members' gradients, in every member."""
        if self.size == 1:
            return
        found = [p for p in parameters if p.requires_grad]
        flat = torch.cat([_gradient(p).flatten() for p in found])
        dist.all_reduce(flat)
        parts = (flat / self.size).split([p.numel() for p in found])
        for parameter, part in zip(found, parts, strict=True):
            parameter.grad = part.view_as(parameter)

    def gather(self, what: Any) -> list[Any]:
        """What every member has, in the order of their ranks."""
        if self.size == 1:
            return [what]
        everything: list[Any] = [None] * self.size
        dist.all_gather_object(everything, what)
        return everything


def _gradient(parameter: nn.Parameter) -> torch.Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def together(size: int, meet: Path, work: Callable[..., None], *arguments: Any) -> None:
    """Runs ``work(team, *arguments)`` in ``size`` processes of one thread, this one among them;
    they find each other by the file ``meet``. Should one end early, all do, however that came."""
    torch.set_num_threads(1)
    if size == 1:
        work(Team(), *arguments)
        return
    meet.unlink(missing_ok=True)
    settings = (size, str(meet.resolve()), work, arguments)
    others = spawn(_member, settings, nprocs=size - 1, join=False, daemon=True)
    _join(0, *settings)
    others.join()


def _member(number: int, *settings: Any) -> None:
    end_with_parent()
    torch.set_num_threads(1)
    _join(number + 1, *settings)


def _join(rank: int, size: int, meet: str, work: Callable[..., None], arguments: Any) -> None:
    dist.init_process_group("gloo", init_method=f"file://{meet}", rank=rank, world_size=size)
    try:
        work(Team(rank, size), *arguments)
    finally:
        dist.destroy_process_group()
