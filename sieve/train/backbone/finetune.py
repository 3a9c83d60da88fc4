"""Training a sieve for a real backbone: stages over clips, in a folder that survives a kill.

Every draw is a function of seed, stage and step, so weights, optimiser and step are the whole
state: a run that goes on from its last checkpoint takes the very steps it would have taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sieve.baselines import KeepAll
from sieve.errors import TrainingError
from sieve.model import Model
from sieve.select import Selector
from sieve.train.backbone.clips import LeftOut
from sieve.train.backbone.fresh import with_fresh_sieve
from sieve.train.backbone.library import Data, Library, seed_of
from sieve.train.backbone.student import Student
from sieve.train.backbone.teacher import Teacher
from sieve.train.backbone.tuning import StagePlan, Tuning
from sieve.train.bulletin import Bulletin
from sieve.train.optimise import Optimiser
from sieve.train.saving import load_whole, save_whole

_DRAWS = 4  # a stream of random numbers of its own


@dataclass
class _Progress:
    """Where a run is: the stages done, the one begun and the steps taken in it; ``warm`` is the
    scorer that exchanges stay close to."""

    done: list[str] = field(default_factory=list)
    stage: str = ""
    step: int = 0
    optimiser: dict[str, Any] | None = None
    warm: dict[str, Tensor] | None = None


class Finetuning:
    """One run in ``folder``; ``finish`` again after an interruption."""

    def __init__(
        self, model: Model, tuning: Tuning, data: Data, folder: Path, bulletin: Bulletin
    ) -> None:
        """A ``model`` without a sieve gets a new one. Raises TrainingError."""
        if tuning.full.steps and not data.labelled:
            raise TrainingError(
                "stage full: recordings without answers have nothing to teach there"
            )
        self.tuning, self._data, self._folder, self._bulletin = tuning, data, folder, bulletin
        everything: Selector = KeepAll() if model.cs2 is None else model.selector
        self.model = model if model.cs2 else with_fresh_sieve(model, tuning.sieve, tuning.seed)
        self._student = Student(self.model, everything, tuning)
        self._teacher = Teacher(
            self.model, everything, tuning.teacher, tuning.seed, labelled=data.labelled
        )
        self._library = Library(self.model, data, tuning, folder / "teacher", self._tell_left_out)
        self._learners = _learners(self.model, tuning)
        for learner in self._learners.values():
            learner.float()

    def finish(self) -> Model:
        """All that is left to do; returns the trained model. Raises TrainingError."""
        self._let_learn(None)
        progress = self._resumed()
        for name, plan in self.tuning.stages.items():
            if name in progress.done:
                continue
            if progress.stage != name:
                progress = _Progress(progress.done, name)
            self._run_stage(plan, progress)
            progress = _Progress([*progress.done, name])
            self._save(progress)
        self._tell_all_left_out()
        return self.model

    # -- a stage ----------------------------------------------------------------------------

    def _run_stage(self, plan: StagePlan, progress: _Progress) -> None:
        name = progress.stage
        if name != "full":
            self._teach()
        if name == "exchange":
            progress.warm = self._student.warm_up_ends(progress.warm)
        optimiser = Optimiser(self._let_learn(plan), plan.schedule)
        if progress.optimiser is None:
            self._examine(name, 0)
        else:
            optimiser.load(progress.optimiser)
        with self._bulletin.stage(name, plan.steps, optimiser.step):
            while not optimiser.done:
                parts: dict[str, float] = {}
                self._step(plan, optimiser, name, parts)
                self._bulletin.step(name, optimiser.step, parts)
                self._after_step(optimiser, progress)
        self._let_learn(None)

    def _step(
        self, plan: StagePlan, optimiser: Optimiser, name: str, parts: dict[str, float]
    ) -> None:
        try:
            optimiser.take(lambda place: self._loss(plan, name, place, parts), plan.accumulate)
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"stage {name}: the device has not enough memory; shorter clips (data.cut_s, "
                "data.longest_s), fewer questions a clip or fewer layers need less"
            ) from error

    def _loss(self, plan: StagePlan, name: str, place: int, parts: dict[str, float]) -> Tensor:
        """Of the clip at ``place`` in the stage's order; adds to the means in ``parts``."""
        example = self._library.example_at(name, place)
        rng = np.random.default_rng([self.tuning.seed, _DRAWS, seed_of(name), place])
        with self._precision():
            found = self._student.stages[name](example, rng, place / (plan.steps * plan.accumulate))
        total = torch.stack(list(found.values())).sum()
        if not bool(torch.isfinite(total)):
            raise TrainingError(
                f"stage {name}: the loss of step {place // plan.accumulate + 1} is no number: a "
                "lower learning_rate, in another folder, may do"
            )
        for part, value in found.items():
            parts[part] = parts.get(part, 0.0) + float(value.detach()) / plan.accumulate
        return total

    def _after_step(self, optimiser: Optimiser, progress: _Progress) -> None:
        step = optimiser.step
        if step % self.tuning.save_every == 0 or optimiser.done:
            progress.step, progress.optimiser = step, optimiser.state()
            self._save(progress)
        if step % self.tuning.examine_every == 0 or optimiser.done:
            self._examine(progress.stage, step)

    def _precision(self) -> torch.autocast:
        device = self.model.backbone.device.type
        return torch.autocast(device, torch.bfloat16, enabled=uses_bf16(self.tuning, device))

    def _let_learn(self, plan: StagePlan | None) -> list[nn.Parameter]:
        """Sets what learns in a stage (None: nothing); returns its parameters."""
        self.model.backbone.thinker.requires_grad_(False)
        self._student.cs2.requires_grad_(False)
        if plan is None:
            return []
        learning = {
            "cs2": plan is not self.tuning.full,
            "decoder": plan.backbone,
            "towers": plan.towers,
        }
        learners = [learner for name, learner in self._learners.items() if learning[name]]
        for learner in learners:
            learner.requires_grad_(True)
        return [parameter for learner in learners for parameter in learner.parameters()]

    def _teach(self) -> None:
        """Lessons for all clips; those that are there already are kept."""
        missing = self._library.untaught()
        with self._bulletin.stage("teacher", len(missing), 0), self._precision():
            for done, number in enumerate(missing, 1):
                self._library.teach(number, self._teacher)
                self._bulletin.step("teacher", done, {})

    # -- what is told -----------------------------------------------------------------------

    def _examine(self, stage: str, step: int) -> None:
        """Held-out clips: all tokens at the begin of a stage, and the retentions it trains."""
        shares = self.tuning.sieve.trained if stage != "full" else []
        retentions = [*([None] if step == 0 or stage == "full" else []), *shares]
        told = {}
        for retention in retentions:
            with self._precision():
                found = [
                    answer
                    for example in self._library.held_out(stage)
                    for answer in self._student.examine(example, retention)
                ]
            if found:
                losses, right = zip(*found, strict=True)
                told["all tokens" if retention is None else f"{retention:.0%}"] = {
                    "loss": round(float(np.mean(losses)), 4),
                    "right": round(100 * float(np.mean(right)), 1),
                }
        if told:
            words = ", ".join(
                f"{n}: {e['right']}% right, loss {e['loss']}" for n, e in told.items()
            )
            text = f"held out, {stage} {step}: {words}"
            self._bulletin.note("exam", text, stage=stage, step=step, kept=told)

    def _tell_left_out(self, left_out: LeftOut) -> None:
        self._bulletin.note("left out", str(left_out), where=left_out.where, why=left_out.why)

    def _tell_all_left_out(self) -> None:
        count = len(self._data.left_out) + len(self._library.left_out)
        if count:
            every = len(self._data.clips) + len(self._data.left_out)
            self._bulletin.note("left out in all", f"{count} of {every} clips were left out")

    # -- what survives a kill ----------------------------------------------------------------

    @property
    def _checkpoint(self) -> Path:
        return self._folder / "checkpoint.pt"

    def _save(self, progress: _Progress) -> None:
        weights = {name: learner.state_dict() for name, learner in self._learners.items()}
        left_out = self._library.left_out
        state = {"weights": weights, "progress": vars(progress), "left_out": left_out}
        save_whole(state, self._checkpoint)

    def _resumed(self) -> _Progress:
        if not self._checkpoint.exists():
            return _Progress()
        state = load_whole(self._checkpoint)
        for name, learner in self._learners.items():
            learner.load_state_dict(state["weights"][name])
        self._library.left_out |= state["left_out"]
        progress = _Progress(**state["progress"])
        at = f"step {progress.step} of {progress.stage}" if progress.stage else "a stage's end"
        self._bulletin.note("resumed", f"going on from {at}", stage=progress.stage)
        return progress


def uses_bf16(tuning: Tuning, device: str) -> bool:
    """Whether a training computes in bfloat16 (its learning weights are float32 always)."""
    return device != "cpu" if tuning.bf16 is None else tuning.bf16


def _learners(model: Model, tuning: Tuning) -> dict[str, nn.Module]:
    """What learns in any of the stages, and the sieve, by name."""
    thinker, plans = model.backbone.thinker, tuning.stages.values()
    assert model.cs2 is not None
    learners: dict[str, nn.Module] = {"cs2": model.cs2}
    if any(plan.backbone for plan in plans):
        learners["decoder"] = nn.ModuleList([thinker.model.language_model, thinker.lm_head])
    if any(plan.towers for plan in plans):
        learners["towers"] = nn.ModuleList([thinker.model.visual, thinker.model.audio_tower])
    return learners
