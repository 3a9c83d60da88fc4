"""The built-in model before training."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sieve.prompt import DEFAULT_INSTRUCTION, Modalities, prompt_text
from sieve.train.demo.decode import Branches, Streams, decode
from sieve.train.demo.tiny import (
    INSTRUCTIONS,
    SPECIAL_TOKENS,
    TinyModel,
    batch_tower_chunks,
    build_tokenizer,
    deepen,
    share_word_forms,
    thinker_config,
)
from stream.world.scene import COLOURS, SHAPES, SYMBOLS

TOKENIZER = build_tokenizer()


@given(st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_text_can_be_written_and_read_back(text: str) -> None:
    ids = TOKENIZER.encode(text, add_special_tokens=False)
    assert TOKENIZER.decode(ids) == text


def test_the_template_and_the_words_of_the_world_are_single_tokens() -> None:
    pieces = [*SPECIAL_TOKENS, "system", "user", "assistant", "\n", "yes", "no", "none"]
    pieces += [*COLOURS, *(f" {word}" for word in (*COLOURS, *SHAPES)), *SYMBOLS]
    for piece in pieces:
        assert len(TOKENIZER.encode(piece, add_special_tokens=False)) == 1, piece


def test_the_default_prompt_is_short() -> None:
    text = prompt_text(DEFAULT_INSTRUCTION, Modalities())
    assert len(TOKENIZER.encode(text, add_special_tokens=False)) == 15
    assert DEFAULT_INSTRUCTION in INSTRUCTIONS


def test_a_word_starts_with_one_embedding_in_all_its_forms() -> None:
    model = TinyModel(thinker_config(TOKENIZER))
    share_word_forms(model, TOKENIZER)
    forms = [TOKENIZER.encode(w, add_special_tokens=False) for w in ("red", " red", " blue")]
    red, spaced, blue = (model.embed(torch.tensor(ids))[0] for ids in forms)
    assert torch.equal(red, spaced)
    assert not torch.equal(red, blue)


def test_the_refiner_begins_as_the_identity() -> None:
    model = TinyModel(thinker_config(TOKENIZER))
    embeds, mask = torch.randn(1, 5, 128), torch.zeros(1, 1, 5, 5)
    states, scores = model.cs2(embeds, torch.arange(5).expand(3, 1, 5), mask)
    assert torch.allclose(states, embeds)
    assert scores.abs().max() < 1.0


def test_batched_tower_chunks_equal_the_library() -> None:
    model = TinyModel(thinker_config(TOKENIZER)).eval()
    patches, grids = torch.randn(3 * 36, 1176), torch.tensor([[3, 6, 6]])
    mel, lengths = torch.randn(128, 400), torch.tensor([200, 200])
    tower = model.thinker.model
    with torch.no_grad():
        seen = tower.visual(patches, grid_thw=grids).pooler_output
        heard = tower.audio_tower(mel, feature_lens=lengths).last_hidden_state
        batch_tower_chunks(model.thinker)
        assert torch.allclose(tower.visual(patches, grid_thw=grids).pooler_output, seen, atol=1e-5)
        again = tower.audio_tower(mel, feature_lens=lengths).last_hidden_state
    assert torch.allclose(again, heard, atol=1e-5)


def test_a_deeper_decoder_says_what_it_said_before_and_can_learn_more() -> None:
    model = TinyModel(thinker_config(TOKENIZER))
    before = _read(model)
    deepen(model.lm, 6)
    after = _read(model)
    assert torch.equal(before, after)
    assert len(model.lm.layers) == model.lm.config.num_hidden_layers == 6
    assert [layer.self_attn.layer_idx for layer in model.lm.layers] == list(range(6))
    (after * torch.randn_like(after)).sum().backward()
    for layer in model.lm.layers:
        assert layer.self_attn.o_proj.weight.grad.abs().sum() > 0


def _read(model: TinyModel) -> torch.Tensor:
    ids, at, sees = torch.arange(40)[None], torch.arange(40).expand(3, 1, -1), torch.ones(1, 40, 40)
    streams = Streams(model.embed(ids), at, sees.bool().tril())
    branches = Branches(model.embed(ids), at + 40, sees[:, :1] > 0, sees[:, 0] > 0)
    read: torch.Tensor = decode(model.lm, streams, branches, 40)[0]
    return read


@pytest.mark.parametrize("layers", [2, 5])
def test_a_decoder_grows_by_pairs_and_does_not_shrink(layers: int) -> None:
    with pytest.raises(ValueError, match=f"of 4 layers cannot grow to {layers}"):
        deepen(TinyModel(thinker_config(TOKENIZER)).lm, layers)
