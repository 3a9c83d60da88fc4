"""The built-in model before training: a few megabytes of Qwen2.5-Omni, and its tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AttentionInterface,
    PreTrainedTokenizerFast,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
)
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import apply_rotary_pos_emb_vision

from sieve.baselines.omnisift import AudioScorer
from sieve.cs2 import CS2
from sieve.prompt import DEFAULT_INSTRUCTION
from sieve.rope import AbsoluteRotary

SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_bos|>",
    "<|vision_eos|>",
    "<|audio_bos|>",
    "<|audio_eos|>",
    "<|AUDIO|>",
    "<|IMAGE|>",
    "<|VIDEO|>",
)
INSTRUCTIONS = (
    DEFAULT_INSTRUCTION,
    "You are a helpful assistant.",
    "Watch the scene and listen to the sounds.",
    "You see a video and hear its sound. Answer briefly.",
    "Tell me what happens.",
    "Pay attention to the colours and the shapes.",
    "Listen for sounds. Be short.",
)
SECTIONS = (5, 4, 4, 3)  # rotary pairs of [T | H | W | T] at head_dim 32
# Wavelengths of the 16 pairs: 6 ids times 3.2 from one to the next. Nine of them tell times apart,
# from 0.3 s to 42 min; seven turn by less than a radian in 20 minutes and compare contents.
ROPE_THETA = 1e8
ATTENTION = "echosieve-additive"
VOCABULARY = Path(__file__).with_name("vocabulary.json")


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE: any text can be encoded, the world's own words are single tokens.

    Its vocabulary was learned once, from the questions of the second edition, and stays as it is:
    what is asked may change without making towers and decoders of before useless.
    """
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(VOCABULARY)),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=[t for t in SPECIAL_TOKENS if t != "<|endoftext|>"],
        clean_up_tokenization_spaces=False,
    )


def thinker_config(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5OmniThinkerConfig:
    """About 1.6 M parameters: 4 decoder layers of width 128, two towers of depth 2, width 96.
    A stage may deepen the decoder."""
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
    towers = {"initializer_range": 0.05}
    return Qwen2_5OmniThinkerConfig(
        audio_config=towers
        | {
            "num_mel_bins": 128,
            "encoder_layers": 2,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 192,
            "d_model": 96,
            "output_dim": 128,
            "n_window": 100,
        },
        vision_config=towers
        | {
            "depth": 2,
            "hidden_size": 96,
            "intermediate_size": 192,
            "num_heads": 4,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": 128,
            "fullatt_block_indexes": [0, 1],
        },
        text_config=_text_config(len(tokenizer)),
        audio_token_index=ids["<|AUDIO|>"],
        image_token_index=ids["<|IMAGE|>"],
        video_token_index=ids["<|VIDEO|>"],
        vision_start_token_id=ids["<|vision_bos|>"],
        vision_end_token_id=ids["<|vision_eos|>"],
        audio_start_token_id=ids["<|audio_bos|>"],
        audio_end_token_id=ids["<|audio_eos|>"],
        user_token_id=tokenizer.convert_tokens_to_ids("user"),
        tie_word_embeddings=True,
        initializer_range=0.05,
    )


def _text_config(vocabulary: int) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": ROPE_THETA,
            "mrope_section": list(SECTIONS),
        },
        "tie_word_embeddings": True,
        "initializer_range": 0.05,
        "max_position_embeddings": 32_768,
    }


class TinyModel(nn.Module):
    """Thinker and sieve as they are trained: one additive mask, one rotary for both."""

    def __init__(self, config: Qwen2_5OmniThinkerConfig) -> None:
        super().__init__()
        self.thinker = Qwen2_5OmniThinkerForConditionalGeneration._from_config(config)
        text = config.text_config
        rotary = AbsoluteRotary(_inverse_frequencies(text.head_dim), SECTIONS)
        self.lm.rotary_emb = rotary
        self.lm.config._attn_implementation = ATTENTION
        self.cs2 = CS2(self.lm.config, 1, rotary)
        self.sifter = AudioScorer(text.hidden_size)  # another method, for comparison
        self._initialise_cs2()
        _let_like_attend_to_like(self.lm)

    @property
    def device(self) -> torch.device:
        device: torch.device = self.lm.embed_tokens.weight.device
        return device

    @property
    def lm(self) -> Any:
        return self.thinker.model.language_model

    def embed(self, ids: Tensor) -> Tensor:
        return self.lm.embed_tokens(ids)

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.lm.embed_tokens.weight)

    def _initialise_cs2(self) -> None:
        """The refiner begins as the identity, the scorer near 0."""
        for name, parameter in self.cs2.named_parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.05)
            if name.endswith(("o_proj.weight", "down_proj.weight", "bias")):
                nn.init.zeros_(parameter)
        last = self.cs2.score_head[2]
        assert isinstance(last, nn.Linear)
        nn.init.normal_(last.weight, std=0.02)


def _inverse_frequencies(head_dim: int) -> Tensor:
    exponent = torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim
    return ROPE_THETA**-exponent


def _let_like_attend_to_like(lm: Any) -> None:
    """The first query head of every group starts as its key map: what is alike finds each other."""
    heads, groups = lm.config.num_attention_heads, lm.config.num_key_value_heads
    width = lm.config.head_dim
    with torch.no_grad():
        for layer in lm.layers:
            attention = layer.self_attn
            nn.init.normal_(attention.k_proj.weight, std=0.08)
            keys = attention.k_proj.weight.view(groups, width, -1)
            queries = attention.q_proj.weight.view(heads, width, -1)
            queries[:: heads // groups] = keys


@torch.no_grad()
def deepen(lm: Any, layers: int) -> None:
    """Gives a decoder ``layers`` layers, two at a time: the last of its first half and the first of
    its second half come a second time, with outputs of 0. So nothing it says changes yet."""
    config = lm.config
    missing = layers - len(lm.layers)
    if missing < 0 or missing % 2:
        raise ValueError(f"a decoder of {len(lm.layers)} layers cannot grow to {layers}")
    for _ in range(missing // 2):
        half = len(lm.layers) // 2
        lm.layers.insert(half + 1, _silent_copy(lm.layers[half]))
        lm.layers.insert(half, _silent_copy(lm.layers[half - 1]))
    config.num_hidden_layers = layers
    config.layer_types = [config.layer_types[0]] * layers
    for i, layer in enumerate(lm.layers):
        layer.self_attn.layer_idx = i


def _silent_copy(layer: Any) -> Any:
    copied = deepcopy(layer)
    nn.init.zeros_(copied.self_attn.o_proj.weight)
    nn.init.zeros_(copied.mlp.down_proj.weight)
    return copied


@torch.no_grad()
def share_word_forms(model: TinyModel, tokenizer: PreTrainedTokenizerFast) -> None:
    """A word starts with one embedding, whether it begins a text, follows a space or is
    capitalised."""
    table = model.lm.embed_tokens.weight
    ids = tokenizer.get_vocab()
    for token, at in ids.items():
        plain = ids.get(token.lstrip("\u0120").lower())  # U+0120 stands for a space
        if plain is not None and plain != at and len(token) > 1:
            table[at] = table[plain]


def additive_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: float,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attention written out, with a float mask that is added: on a CPU faster than fused."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    weights = (query @ key.transpose(2, 3)) * scaling + attention_mask
    return (weights.softmax(-1).to(value.dtype) @ value).transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, additive_attention)


def batch_tower_chunks(thinker: nn.Module) -> None:
    """One attention call for all chunks of a tower, which must be of equal length; the library
    calls once a chunk."""
    for module in thinker.modules():
        kind = type(module).__name__
        if kind == "Qwen2_5OmniVisionAttention":
            object.__setattr__(module, "forward", _vision_forward(module))
        elif kind == "Qwen2_5OmniAudioAttention":
            object.__setattr__(module, "forward", _audio_forward(module))


def _attend(module: Any, parts: Sequence[Tensor], chunks: int) -> Tensor:
    query, key, value = (
        part.reshape(chunks, -1, module.num_heads, module.head_dim).transpose(1, 2)
        for part in parts
    )
    out = F.scaled_dot_product_attention(query, key, value)
    return out.transpose(1, 2).reshape(-1, module.num_heads * module.head_dim)


def _vision_forward(module: Any) -> Any:
    def forward(
        hidden_states: Tensor, cu_seqlens: Tensor, position_embeddings: Any, **_: Any
    ) -> Tensor:
        length = len(hidden_states)
        parts = [
            f(hidden_states).view(length, module.num_heads, -1)
            for f in (module.q, module.k, module.v)
        ]
        parts[:2] = apply_rotary_pos_emb_vision(parts[0], parts[1], *position_embeddings)
        return module.proj(_attend(module, parts, len(cu_seqlens) - 1))

    return forward


def _audio_forward(module: Any) -> Any:
    def forward(hidden_states: Tensor, cu_seqlens: Tensor, **_: Any) -> Tensor:
        parts = [f(hidden_states) for f in (module.q_proj, module.k_proj, module.v_proj)]
        return module.out_proj(_attend(module, parts, len(cu_seqlens) - 1))

    return forward
