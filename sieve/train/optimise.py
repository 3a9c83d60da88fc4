"""One loop for every stage: AdamW and Muon, warm-up and cosine, state to be saved and resumed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sieve.train.muon import Muon
from sieve.train.team import Team

_MUON_RATE = 2.0  # times AdamW's


@dataclass(frozen=True, slots=True)
class Schedule:
    """``steps`` to take; the rate rises over ``warmup`` steps to ``peak_lr`` and falls as a cosine
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
    """Takes one step after another; ``step`` counts those taken.

    Those ``parameters`` that are among ``matrices`` [out, in] learn by Muon (Jordan et al. 2024:
    steps whose singular values are alike), scaled so that AdamW's rates fit (Liu et al., arXiv
    2502.16982); all others by AdamW.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        schedule: Schedule,
        team: Team | None = None,
        matrices: Iterable[nn.Parameter] = (),
    ) -> None:
        self._parameters = [p for p in parameters if p.requires_grad]
        wanted = set(map(id, matrices))
        turned = [p for p in self._parameters if id(p) in wanted]
        others = [p for p in self._parameters if id(p) not in wanted]
        decay = schedule.weight_decay
        self._schedule = schedule
        self._team = team or Team()
        self._methods: dict[str, torch.optim.Optimizer] = {
            "adam": torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=decay)
        }
        if turned:
            self._methods["muon"] = Muon(turned, weight_decay=decay)
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
        for name, method in self._methods.items():
            rate = self._schedule.rate(self.step) * (_MUON_RATE if name == "muon" else 1.0)
            for group in method.param_groups:
                group["lr"] = rate
            method.zero_grad(set_to_none=True)
        mean = 0.0
        for part in range(parts):
            loss = loss_of(self.step * parts + part) / parts
            loss.backward()
            mean += float(loss.detach())
        self._team.average(self._parameters)
        nn.utils.clip_grad_norm_(self._parameters, self._schedule.clip_norm)
        for method in self._methods.values():
            method.step()
        self.step += 1
        return mean

    def state(self) -> dict[str, Any]:
        states = {name: method.state_dict() for name, method in self._methods.items()}
        return {"step": self.step, **states}

    def load(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        for name, method in self._methods.items():
            method.load_state_dict(state[name])
