"""A whole training run in a folder: every part is saved, and a run that was stopped goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sieve.train.bank import Bank, build_bank, load_towers, tower_state
from sieve.train.batch import BatchShape
from sieve.train.objective import Sieving, TokenWords
from sieve.train.packing import Packer
from sieve.train.recipe import Recipe
from sieve.train.render import render_stream
from sieve.train.stages import Journal, Stage, StageConfig, examine
from sieve.train.tiny import TinyModel, build_tokenizer, share_word_forms, thinker_config
from sieve.train.towers import train_towers

SAVE_EVERY = 500
_TOWER_SEEDS, _BANK_SEEDS, _EXAM_SEEDS = 10_000_000, 20_000_000, 30_000_000


class Run:
    """Trains by ``recipe`` in ``folder``; call ``finish`` again after an interruption."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.recipe, self.folder = recipe, folder
        self.journal = Journal(folder / "journal.jsonl")
        self.tokenizer = build_tokenizer()
        self.packer = Packer(self.tokenizer)
        torch.manual_seed(recipe.seed)
        self.model = TinyModel(thinker_config(self.tokenizer))
        share_word_forms(self.model, self.tokenizer)
        self.words = TokenWords(self.model, self._word_ids())

    def finish(self) -> TinyModel:
        """All that is left to do; returns the trained model."""
        load_towers(self.model, self._towers())
        bank = self._bank("bank", _BANK_SEEDS, self.recipe.bank_streams)
        exam = self._bank("exam", _EXAM_SEEDS, self.recipe.exam_streams)
        for config in self.recipe.stages:
            self._stage(config, bank, exam)
        return self.model

    def _word_ids(self) -> dict[str, int]:
        ids = {}
        for token in self.tokenizer.get_vocab():
            text = self.tokenizer.convert_tokens_to_string([token])
            ids[text] = self.tokenizer.convert_tokens_to_ids(token)
        return ids

    def _towers(self) -> dict[str, Any]:
        path = self.folder / "towers.pt"
        if not path.exists():
            recipe = self.recipe
            seeds = range(_TOWER_SEEDS, _TOWER_SEEDS + recipe.tower_streams)
            streams = [render_stream(seed, recipe.windows, recipe.codec_share) for seed in seeds]
            self.journal.write("streams rendered", count=len(streams))
            train_towers(
                self.model,
                streams,
                recipe.towers,
                recipe.seed,
                lambda text: self.journal.write("towers", text=text),
            )
            _save(tower_state(self.model), path)
        state: dict[str, Any] = torch.load(path, weights_only=True)
        return state

    def _bank(self, name: str, first_seed: int, streams: int) -> Bank:
        path = self.folder / f"{name}.pt"
        if not path.exists():
            recipe = self.recipe
            seeds = range(first_seed, first_seed + streams)
            bank = build_bank(
                self._towers(), seeds, recipe.windows, recipe.codec_share, recipe.workers
            )
            bank.save(path)
            self.journal.write("streams encoded", bank=name, count=streams)
        return Bank.load(path)

    def _stage(self, config: StageConfig, bank: Bank, exam: Bank) -> None:
        stage = Stage(config, self.model, self.words, bank, self.packer, self.recipe.seed)
        path = self.folder / f"stage-{config.name}.pt"
        if path.exists():
            stage.load(torch.load(path, weights_only=True))
            self.journal.write("resumed", stage=config.name, step=stage.optimiser.step)
        while not stage.optimiser.done:
            stage.step()
            step = stage.optimiser.step
            if step % config.log_every == 0:
                self.journal.write(config.name, **stage.report())
            if step % config.exam_every == 0 or stage.optimiser.done:
                self.journal.write("exam", stage=config.name, step=step, **self._exam(config, exam))
            if step % SAVE_EVERY == 0 or stage.optimiser.done:
                _save(stage.state(), path)

    def _exam(self, config: StageConfig, exam: Bank) -> dict[str, dict[str, float]]:
        """Accuracy on held-out streams, at the retentions the stage trains."""
        shapes = [
            BatchShape(config.exam_crops, min(n, exam.windows), open_share=0.5) for n in (4, 7, 10)
        ]
        base = config.sieving
        retentions = [r for r in (0.2, 0.1) if r in config.retentions] or [base.retention]
        results = {}
        for retention in retentions:
            sieving = Sieving(retention, base.refined, base.choice)
            results[f"at_{retention}"] = examine(self.model, exam, self.packer, sieving, shapes)
        return results


def _save(state: Any, path: Path) -> None:
    """Whole or not at all: a run may be killed while it writes."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)
