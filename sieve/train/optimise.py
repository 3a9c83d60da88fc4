"""One loop for every stage: AdamW, warm-up and cosine, state that can be saved and resumed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sieve.train.team import Team


@dataclass(frozen=True, slots=True)
class Schedule:
    """``steps`` of AdamW; the rate rises over ``warmup`` steps to ``peak_lr`` and falls as a cosine
    over ``span`` steps (0: over all) to ``floor`` of it. A stage that another one follows may end
    before its rate has fallen."""

    steps: int
    peak_lr: float
    warmup: int = 60
    floor: float = 0.03
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    span: int = 0

    def done(self, step: int) -> float:
        """How far the schedule has come, 0 to 1."""
        return step / (self.span or self.steps)

    def rate(self, step: int) -> float:
        fall = max(self.floor, 0.5 * (1 + math.cos(math.pi * self.done(step))))
        return self.peak_lr * min(1.0, (step + 1) / self.warmup) * fall


class Optimiser:
    """Takes one step after another; ``step`` counts those taken."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], schedule: Schedule, team: Team | None = None
    ) -> None:
        self._parameters = [p for p in parameters if p.requires_grad]
        self._schedule = schedule
        self._team = team or Team()
        self._adam = torch.optim.AdamW(
            self._parameters, betas=(0.9, 0.98), weight_decay=schedule.weight_decay
        )
        self.step = 0

    @property
    def steps(self) -> int:
        """How many there are in all."""
        return self._schedule.steps

    @property
    def done(self) -> bool:
        return self.step >= self.steps

    def take(self, loss_of: Callable[[int], Tensor], parts: int = 1) -> float:
        """One step down the mean gradient of ``parts`` losses, ``loss_of(step * parts)`` and those
        after it; returns their mean."""
        for group in self._adam.param_groups:
            group["lr"] = self._schedule.rate(self.step)
        self._adam.zero_grad(set_to_none=True)
        mean = 0.0
        for part in range(parts):
            loss = loss_of(self.step * parts + part) / parts
            loss.backward()
            mean += float(loss.detach())
        self._team.average(self._parameters)
        nn.utils.clip_grad_norm_(self._parameters, self._schedule.clip_norm)
        self._adam.step()
        self.step += 1
        return mean

    def state(self) -> dict[str, Any]:
        return {"step": self.step, "adam": self._adam.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self._adam.load_state_dict(state["adam"])
