"""What is trained is what the engine runs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from sieve import Engine, EngineConfig, RowConfig
from sieve.backbone import Backbone
from sieve.cs2 import kept_count
from sieve.eval.accuracy import closed_window, open_window
from sieve.model import Model, StreamLayout
from sieve.pool import PixelLimits
from sieve.prompt import Modalities
from sieve.select import CS2Selector
from sieve.train.bank import Bank, encode_stream
from sieve.train.batch import Batch, BatchShape, Sampler
from sieve.train.objective import (
    Sieving,
    TokenWords,
    _visible,
    answer_loss,
    forward,
    score_loss,
    turns_right,
)
from sieve.train.packing import NO_TARGET, Packer, Progress
from sieve.train.render import render_stream
from sieve.train.tiny import ATTENTION, TinyModel, build_tokenizer, thinker_config

SEED, WINDOWS = 5, 10


@pytest.fixture(scope="module")
def tokenizer() -> object:
    return build_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer: object) -> TinyModel:
    torch.manual_seed(3)
    built = TinyModel(thinker_config(tokenizer)).eval()  # type: ignore[arg-type]
    with torch.no_grad():  # a refiner that does something
        for parameter in built.cs2.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return built


@pytest.fixture(scope="module")
def bank(model: TinyModel) -> Bank:
    row = encode_stream(model, SEED, WINDOWS, 0.0)
    return Bank(**{name: value[None] for name, value in row.items()})


def _sampler(bank: Bank, tokenizer: object) -> Sampler:
    return Sampler(bank, Packer(tokenizer))  # type: ignore[arg-type]


def _engine_logits(model: TinyModel, tokenizer: object, text: str, now_s: float) -> torch.Tensor:
    """Logits of an answer's first token, after the whole stream went through the engine."""
    backbone = Backbone(model.thinker, tokenizer, model.lm.rotary_emb)
    layout = StreamLayout(300, 50, "raw", PixelLimits(28 * 28, 84 * 84))
    served = Model("test", backbone, CS2Selector(model.cs2), model.cs2, layout, 0.2)
    engine = Engine(served, EngineConfig(rows=1))
    stream = render_stream(SEED, WINDOWS, 0.0)
    row = engine.open(RowConfig())
    for window in range(int(now_s // 2)):
        engine.ingest(row, closed_window(stream, window))
    heard: list[torch.Tensor] = []
    whole = backbone.logits
    backbone.logits = lambda hidden: heard.append(whole(hidden)) or heard[-1]  # type: ignore
    engine.ask(row, text, open_window=open_window(stream, now_s) if now_s % 2 else None)
    return heard[-1][0]


@pytest.mark.parametrize("windows", [2, 4, 7])
def test_a_question_sees_in_training_what_it_sees_in_the_engine(
    model: TinyModel, bank: Bank, tokenizer: object, windows: int
) -> None:
    shape = BatchShape(crops=1, windows=windows, open_share=1.0)
    sampler = _sampler(dataclasses.replace(bank, **_first_windows(bank, windows)), tokenizer)
    with torch.no_grad():
        batch = sampler.exam(shape, np.random.default_rng(0), ["exists"])
        outcome = forward(model, batch, Sieving(0.2, aware=True), torch.Generator())
    now_s = 2 * (windows - 1) + float(bank.elapsed_s[0, windows - 1])
    text = tokenizer.decode(batch.packed.ids[0]).split("<|im_end|>")[0]  # type: ignore[attr-defined]
    served = _engine_logits(model, tokenizer, text, now_s)
    model.lm.config._attn_implementation = ATTENTION
    assert torch.allclose(outcome.answers[0], served, atol=2e-2, rtol=2e-2)
    assert (outcome.answers[0] - outcome.answers[0].mean()).abs().max() > 0.1


def _first_windows(bank: Bank, windows: int) -> dict[str, torch.Tensor]:
    names = [f.name for f in dataclasses.fields(bank)]
    cut = {n: getattr(bank, n) for n in names if getattr(bank, n).dim() > 1}
    return {n: v[:, :windows] for n, v in cut.items() if v.shape[1] == WINDOWS}


def _batch(bank: Bank, tokenizer: object, **settings: object) -> Batch:
    shape = dataclasses.replace(BatchShape(crops=3, windows=4), **settings)  # type: ignore[arg-type]
    return _sampler(bank, tokenizer).draw(shape, np.random.default_rng(1), Progress())


def test_conversations_of_one_row_do_not_see_each_other(
    model: TinyModel, bank: Bank, tokenizer: object
) -> None:
    batch = _batch(bank, tokenizer)
    changed = batch.packed.ids.clone()
    changed[batch.packed.block > 1] = 7
    other = dataclasses.replace(batch, packed=dataclasses.replace(batch.packed, ids=changed))
    first = batch.packed.block[batch.packed.target != NO_TARGET] == 1
    with torch.no_grad():
        one, two = (
            forward(model, b, Sieving(0.2), torch.Generator()).answers for b in (batch, other)
        )
    assert torch.allclose(one[first], two[first], atol=1e-5)
    assert not torch.allclose(one[~first], two[~first], atol=1e-3)


def test_a_question_does_not_see_windows_beyond_the_horizon(bank: Bank, tokenizer: object) -> None:
    for open_share, remembered in ((0.0, 6), (1.0, 7)):
        batch = _batch(bank, tokenizer, windows=10, open_share=open_share)
        kept = torch.ones(3, 10, 4, dtype=torch.bool)
        visible = _visible(batch, kept)[0, 0]
        asked, stream = visible[-1], slice(len(batch.prompt), len(batch.prompt) + 40)
        windows_seen = asked[stream].view(10, 4).any(-1)
        assert windows_seen.tolist() == [False] * (10 - remembered) + [True] * remembered
        assert asked[: len(batch.prompt)].all()


def test_a_closed_window_sees_five_before_it(bank: Bank, tokenizer: object) -> None:
    batch = _batch(bank, tokenizer, windows=10, open_share=0.0)
    visible = _visible(batch, torch.ones(3, 10, 4, dtype=torch.bool))[0, 0]
    start = len(batch.prompt)
    last_of_8 = visible[start + 8 * 4 + 3, start : start + 40].view(10, 4)
    assert last_of_8.all(-1).tolist() == [False] * 3 + [True] * 6 + [False]


@pytest.mark.parametrize("retention", [0.05, 0.1, 0.2, 1.0])
def test_as_many_tokens_are_kept_as_the_engine_keeps(
    model: TinyModel, bank: Bank, tokenizer: object, retention: float
) -> None:
    batch = _batch(bank, tokenizer, open_share=0.5)
    with torch.no_grad():
        outcome = forward(model, batch, Sieving(retention), torch.Generator())
    for row in range(3):
        for window in range(4):
            pool = int(batch.valid[row, window].sum())
            assert int(outcome.kept_valid[row, window].sum()) == kept_count(retention, pool)
    assert batch.valid.gather(2, outcome.kept)[outcome.kept_valid].all()


def test_labels_choose_what_is_worth_keeping(
    model: TinyModel, bank: Bank, tokenizer: object
) -> None:
    batch = _batch(bank, tokenizer)
    with torch.no_grad():
        outcome = forward(model, batch, Sieving(0.3, False, "labels"), torch.Generator())
    kept = batch.salient.gather(2, outcome.kept) & outcome.kept_valid
    assert int(kept.sum()) == int(batch.salient.sum())


def test_only_a_gated_sieve_learns_from_the_answers(
    model: TinyModel, bank: Bank, tokenizer: object
) -> None:
    batch = _batch(bank, tokenizer)
    for gated in (False, True):
        model.zero_grad()
        answer_loss(forward(model, batch, Sieving(0.2, gated=gated), torch.Generator())).backward()
        gradient = model.cs2.score_head[0].weight.grad
        assert (gradient is not None and bool(gradient.abs().sum() > 0)) == gated


def test_scores_learn_from_the_labels(model: TinyModel, bank: Bank, tokenizer: object) -> None:
    batch = _batch(bank, tokenizer)
    outcome = forward(model, batch, Sieving(0.2), torch.Generator())
    model.zero_grad()
    score_loss(outcome, batch).backward()
    assert model.cs2.score_head[0].weight.grad.abs().sum() > 0


def test_a_modality_without_labels_costs_nothing(
    model: TinyModel, bank: Bank, tokenizer: object
) -> None:
    words = TokenWords(model, _Words())
    batch = _batch(bank, tokenizer, modalities=Modalities(video=True, audio=False))
    with torch.no_grad():
        outcome = forward(model, batch, Sieving(0.2), torch.Generator())
        losses = words.losses(outcome.middle, batch, outcome, causal=True)
    assert float(losses["sound"]) == 0.0
    assert float(losses["object"]) > 0.0


class _Words(dict[str, int]):
    def __missing__(self, word: str) -> int:
        return 300 + len(word)


def test_turns_are_right_when_every_token_is(
    model: TinyModel, bank: Bank, tokenizer: object
) -> None:
    batch = _batch(bank, tokenizer)
    with torch.no_grad():
        outcome = forward(model, batch, Sieving(0.2), torch.Generator())
    perfect = torch.nn.functional.one_hot(outcome.targets, outcome.answers.shape[1]).float()
    told = dataclasses.replace(outcome, answers=perfect)
    assert all(right for _, right in turns_right(told, batch))
    perfect[0] = 0.0
    assert [right for _, right in turns_right(told, batch)].count(False) == 1
    kinds = [kind for row in batch.packed.kinds for kind in row]
    assert [kind for kind, _ in turns_right(told, batch)] == kinds
