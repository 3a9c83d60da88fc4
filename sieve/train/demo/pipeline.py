"""A whole training run in a folder: every part is saved, and a run that was stopped goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.console import Console

from sieve.errors import TrainingError
from sieve.folder import claim
from sieve.train.bulletin import Bulletin
from sieve.train.demo.bank import Bank, Filming, Row, encode_streams, load_towers, tower_state
from sieve.train.demo.batch import BatchShape, Sampler
from sieve.train.demo.exam import YesOrNo, examine
from sieve.train.demo.export import export
from sieve.train.demo.living import live
from sieve.train.demo.objective import TokenWords
from sieve.train.demo.packing import Packer
from sieve.train.demo.recipe import Recipe
from sieve.train.demo.sieving import Sieving
from sieve.train.demo.stages import Stage, StageConfig
from sieve.train.demo.tiny import (
    TinyModel,
    batch_tower_chunks,
    build_tokenizer,
    share_word_forms,
    thinker_config,
)
from sieve.train.demo.towers import Pictures, Sounds, fold_scales, picture_stage, sound_stage
from sieve.train.optimise import Optimiser
from sieve.train.saving import load_whole, save_whole
from sieve.train.team import Team
from sieve.train.world.render import render_stream
from stream.world.plot import Plot

STREAMS_A_PART = 50  # of a bank: what is lost at most when its making is stopped
_TOWER_SEEDS, _BANK_SEEDS, _EXAM_SEEDS = 10_000_000, 20_000_000, 30_000_000


class Resumable(Protocol):
    """Something that is trained step by step."""

    optimiser: Optimiser

    def step(self) -> dict[str, float]: ...
    def report(self) -> dict[str, Any]: ...
    def state(self) -> dict[str, Any]: ...
    def load(self, state: dict[str, Any]) -> None: ...


class Run:
    """Trains by ``recipe`` in ``folder``; call ``finish`` again after an interruption. Raises
    SettingInvalid where the folder holds a run of another recipe."""

    def __init__(
        self, recipe: Recipe, folder: Path, device: str = "cpu", team: Team | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.recipe, self.folder, self.team = recipe, folder, team or Team()
        self.bulletin = Bulletin(Path(os.devnull), Console(quiet=True))
        if self.team.leads:
            claim(folder / "recipe.json", recipe_facts(recipe))
            self.bulletin = Bulletin(folder / "journal.jsonl")
        self.tokenizer = build_tokenizer()
        self.packer = Packer(self.tokenizer)
        torch.manual_seed(recipe.seed)
        self.model = TinyModel(thinker_config(self.tokenizer)).to(device)
        share_word_forms(self.model, self.tokenizer)
        batch_tower_chunks(self.model.thinker)
        self.words = TokenWords(self.model, self._word_ids()).to(device)

    def finish(self) -> TinyModel:
        """All that is left to do; returns the trained model."""
        load_towers(self.model, self.towers())
        self.sampler, self.exams  # noqa: B018  all members wait here until they are made
        for config in self._left():
            self.train(self.stage(config), config.name, config)
        return self.model

    def _left(self) -> Sequence[StageConfig]:
        """The stage that was begun last, the one before, which it begins from, and all after them:
        checkpoints of earlier ones are not asked for."""
        stages = self.recipe.stages
        begun = [n for n, config in enumerate(stages) if self._checkpoint(config.name).exists()]
        first = max(0, begun[-1] - 1) if begun else 0
        if begun and first not in begun:
            raise TrainingError(
                f"{self.folder} holds a checkpoint of the stage {stages[begun[-1]].name} and none "
                f"of {stages[first].name}, from which it begins: bring that one back"
            )
        return stages[first:]

    def _checkpoint(self, stage: str) -> Path:
        return self.folder / f"stage-{stage}.pt"

    def write(self, directory: Path) -> None:
        """The trained model as a directory, its recipe beside it."""
        export(self.model, self.tokenizer, directory)
        recipe = json.dumps(recipe_facts(self.recipe), indent=2)
        (directory / "training.json").write_text(recipe + "\n")

    def stage(self, config: StageConfig, seed: int | None = None) -> Stage:
        """A stage at its first step, on the model as it is now."""
        chosen = self.recipe.seed if seed is None else seed
        if config.past_share:
            place = [chosen, self.team.rank]
            retentions = list(config.retentions)
            self.sampler.pasts = live(self.model, self.sampler, retentions, config.lives, place)
        return Stage(config, self.model, self.words, self.sampler, chosen, self.team)

    def train(self, stage: Stage, name: str, config: StageConfig) -> None:
        """To its end, from where it was stopped."""

        def look(step: int) -> None:
            if self.team.leads and (step % config.exam_every == 0 or stage.optimiser.done):
                facts = self.examine(config, config.sieving)
                means = ", ".join(f"{at}: {found['mean']}" for at, found in facts.items())
                self.bulletin.note(
                    "exam", f"{name} {step}  {means}", stage=name, step=step, **facts
                )

        self._drive(stage, name, config.log_every, look)

    def examine(self, config: StageConfig, sieving: Sieving) -> dict[str, Any]:
        """Accuracy on streams held out, at the retentions that the stage trains: by seed and by
        composition, each clips of 8, 20 and 56 s, and 20 s with minutes between; where crops of the
        stage have a past, 20 s behind one, too."""
        most = self.recipe.filming.windows - 2
        shapes = [
            BatchShape(max(1, config.exam_crops * 4 // n), min(n, most), open_share=0.5)
            for n in (4, 10, 28)
        ]
        shapes.append(replace(shapes[1], moments=2, jumps=1.0))
        shapes.append(replace(shapes[1], moments=2, described=True))
        at = [r for r in (1.0, 0.2, 0.1, 0.05) if r in config.retentions] or [sieving.retention]
        facts: dict[str, Any] = {}
        for name, sampler in self.exams.items():
            for r in at:
                how = replace(sieving, retention=r, noise=0.0, estimator=None)
                facts[f"{name} at {r}"] = examine(self.model, sampler, how, shapes, self.yes_or_no)
                if config.past_share:
                    sampler.pasts = self.sampler.pasts
                    behind = [replace(shapes[1], moments=2, past=r)] * 2
                    found = examine(self.model, sampler, how, behind, self.yes_or_no)
                    facts[f"{name} at {r}, behind a past"] = found
        return facts

    # -- parts ------------------------------------------------------------------------------

    @cached_property
    def yes_or_no(self) -> YesOrNo:
        return YesOrNo(*(self.packer.ids(word)[0] for word in ("yes", "no")))

    def _word_ids(self) -> dict[str, int]:
        ids = {}
        for token in self.tokenizer.get_vocab():
            text = self.tokenizer.convert_tokens_to_string([token])
            ids[text] = self.tokenizer.convert_tokens_to_ids(token)
        return ids

    def towers(self) -> dict[str, Any]:
        """Weights of the trained towers."""
        path = self.folder / "towers.pt"
        if not path.exists():
            self._train_towers()
            if self.team.leads:
                save_whole(tower_state(self.model), path)
            self.team.wait()
        state: dict[str, Any] = load_whole(path)
        return state

    def _train_towers(self) -> None:
        recipe, filming = self.recipe, self.recipe.filming
        seeds = range(_TOWER_SEEDS, _TOWER_SEEDS + recipe.tower_streams)
        streams = [
            render_stream(seed, filming.windows, filming.codec_share, filming.plot)
            for seed in seeds
        ]
        self.bulletin.note("streams rendered", f"{len(streams)} streams rendered")
        pictures, sounds = Pictures.of(streams), Sounds.of(streams, recipe.seed)
        seen = picture_stage(self.model, pictures, recipe.towers, recipe.seed, self.team)
        self._drive(seen, "pictures", recipe.log_towers_every)
        heard = sound_stage(self.model, sounds, recipe.towers, recipe.seed, self.team)
        self._drive(heard, "sounds", recipe.log_towers_every)
        fold_scales(self.model, pictures, sounds, recipe.towers, recipe.seed)

    @cached_property
    def sampler(self) -> Sampler:
        """Of what is trained on."""
        recipe = self.recipe
        bank = self._bank("bank", _BANK_SEEDS, recipe.bank_streams, recipe.filming.plot)
        return Sampler(bank, recipe.filming.plot, self.packer)

    @cached_property
    def exams(self) -> dict[str, Sampler]:
        """Of what is held out: by seed alone, and by composition."""
        samplers = {}
        for i, (name, plot) in enumerate(self.recipe.exams.items()):
            bank = self._bank(name, _EXAM_SEEDS + i * 1_000_000, self.recipe.exam_streams, plot)
            samplers[name] = Sampler(bank, plot, self.packer)
        return samplers

    def _bank(self, name: str, first_seed: int, streams: int, plot: Plot) -> Bank:
        """The bank, made part by part; finished parts are not made again."""
        count = -(-streams // STREAMS_A_PART)
        parts = [self.folder / f"{name}-{i:03}.pt" for i in range(count)]
        done = next((i for i, part in enumerate(parts) if not part.exists()), count)
        if self.team.leads and done < count:
            seeds = range(first_seed, first_seed + streams)[done * STREAMS_A_PART :]
            self._encode(name, seeds, self.recipe.filming_of(plot), parts[done:])
        self.team.wait()
        return Bank.load(parts)

    def _encode(
        self, name: str, seeds: Sequence[int], filming: Filming, parts: Sequence[Path]
    ) -> None:
        """Streams into ``parts``, each saved when it is full."""
        rows: list[Row] = []
        encoded = encode_streams(self.towers(), seeds, filming, self.recipe.workers)
        for i, row in enumerate(encoded, start=1):
            rows.append(row)
            if i % STREAMS_A_PART == 0 or i == len(seeds):
                save_whole(Bank.of(rows).tensors(), parts[(i - 1) // STREAMS_A_PART])
                rows = []
                text = f"{name}: {i} of {len(seeds)} streams encoded"
                self.bulletin.note("streams encoded", text, bank=name, count=i)

    def _drive(
        self,
        stage: Resumable,
        name: str,
        log_every: int,
        look: Callable[[int], None] | None = None,
    ) -> None:
        """Steps, reports and checkpoints until the stage is done."""
        path = self._checkpoint(name)
        if path.exists():
            stage.load(load_whole(path, self.model.device))
            step = stage.optimiser.step
            self.bulletin.note(
                "resumed", f"{name} goes on after step {step}", stage=name, step=step
            )
        with self.bulletin.stage(name, stage.optimiser.steps, stage.optimiser.step):
            while not stage.optimiser.done:
                parts = stage.step()
                step = stage.optimiser.step
                self.bulletin.step(name, step, parts)
                if step % log_every == 0:
                    report = stage.report()
                    self.bulletin.note(name, f"{name} {step}  {report['right']}", **report)
                if look is not None:
                    look(step)
                if step % self.recipe.save_every == 0 or stage.optimiser.done:
                    self._save(stage.state(), path)

    def _save(self, state: dict[str, Any], path: Path) -> None:
        if self.team.leads:
            save_whole(state, path)


def train_recipe(team: Team, recipe: Recipe, folder: Path, out: Path, device: str) -> None:
    """One member's part of a training, from the towers to the finished directory ``out``."""
    run = Run(recipe, folder, device, team)
    run.finish()
    if team.leads:
        run.write(out)


def recipe_facts(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain JSON, its worlds by their names."""
    facts: dict[str, Any] = json.loads(json.dumps(asdict(recipe), default=str))
    plots = {"plot": recipe.filming.plot, **recipe.exams}
    facts["worlds"] = {name: f"{type(plot).__name__}" for name, plot in plots.items()}
    return facts
