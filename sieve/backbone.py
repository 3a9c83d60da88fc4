"""The thinker of Qwen2.5-Omni through transformers: towers, decoder, tokenizer.

The only module that knows transformers' model classes. Everything else sees embeddings [n, d],
positions [3, n] and a cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface, Qwen2_5OmniThinkerForConditionalGeneration
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import (
    Qwen2_5OmniDecoderLayer,
    Qwen2_5OmniRMSNorm,
    apply_rotary_pos_emb_vision,
)
from transformers.vision_utils import get_vision_window_index

from sieve.errors import ClipError, NoTokenizer
from sieve.rope import AbsoluteRotary

DecoderLayer = Qwen2_5OmniDecoderLayer
RMSNorm = Qwen2_5OmniRMSNorm
ATTENTION = "echosieve"


class KeyValues(Protocol):
    """What the decoder needs of a cache: append the new, return all that may be attended to."""

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """keys, values [1, H_kv, n, D] of one layer -> [1, H_kv, m, D], m >= n."""
        ...


def grouped_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Scaled dot-product attention without copying K/V for grouped queries.

    query [B, H, Lq, D], key and value [B, H_kv, Lk, D], mask bool broadcastable to
    [B, 1, Lq, Lk]. Without a mask: causal where the module is causal and the whole sequence is
    given at once, else full (a single decoding step, or a refiner layer).
    """
    causal = (
        attention_mask is None
        and getattr(module, "is_causal", True)
        and query.shape[2] == key.shape[2]
        and query.shape[2] > 1
    )
    out = F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=attention_mask,
        is_causal=causal,
        scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, grouped_attention)


class Backbone:
    """One thinker with its tokenizer, on one device."""

    def __init__(
        self,
        thinker: Qwen2_5OmniThinkerForConditionalGeneration,
        tokenizer: Any | None,
        rotary: AbsoluteRotary,
    ) -> None:
        self.thinker = thinker
        self.config = thinker.config
        self.text_config = thinker.config.text_config
        self._tokenizer = tokenizer
        self.rotary = rotary
        language_model = thinker.model.language_model
        language_model.rotary_emb = rotary
        language_model.config._attn_implementation = ATTENTION
        self._layer_types = set(self.text_config.layer_types)

    @property
    def device(self) -> torch.device:
        return self.thinker.device

    @property
    def dtype(self) -> torch.dtype:
        return self.thinker.model.language_model.embed_tokens.weight.dtype

    @property
    def has_tokenizer(self) -> bool:
        return self._tokenizer is not None

    @property
    def tokenizer(self) -> Any:
        """The tokenizer; raises NoTokenizer where the directory had none."""
        if self._tokenizer is None:
            raise NoTokenizer(
                "this model directory has no tokenizer files (tokenizer.json, "
                "tokenizer_config.json): text can be neither read nor written with it"
            )
        return self._tokenizer

    def token_ids(self, text: str) -> list[int]:
        """Half a character (a lone surrogate), which no tokenizer takes, is read as ``?``."""
        whole = text.encode(errors="replace").decode()
        return list(self.tokenizer.encode(whole, add_special_tokens=False))

    def embed(self, ids: Sequence[int] | Tensor) -> Tensor:
        """Token ids -> embeddings [n, d]."""
        at = torch.as_tensor(ids, dtype=torch.long, device=self.device)
        return self.thinker.model.language_model.embed_tokens(at)

    def see(self, pixel_values: Tensor, grid_thw: Tensor) -> Tensor:
        """Patches [p, 1176] of whole temporal grids -> video tokens [p / 4, d]."""
        visual = self.thinker.model.visual
        pixels = pixel_values.to(self.device, visual.dtype)
        return visual(pixels, grid_thw=grid_thw.to(self.device)).pooler_output.to(self.dtype)

    def hear(self, mel: Tensor) -> Tensor:
        """Log-mel [128, frames] -> audio tokens [n, d]; exact in pieces of 200 frames (2 s)."""
        tower = self.thinker.model.audio_tower
        lengths = torch.tensor([mel.shape[1]], device=self.device)
        features = mel.to(self.device, tower.dtype)
        return tower(features, feature_lens=lengths).last_hidden_state.to(self.dtype)

    def see_attended(self, pixel_values: Tensor, grid_thw: Tensor) -> tuple[Tensor, Tensor]:
        """What ``see`` gives, and the attention each token receives in the tower's last block [n],
        float32: mean over heads and over all patches that could attend to it, 1 an even share."""
        visual = self.thinker.model.visual
        attention = visual.blocks[-1].attn
        with _inputs_of(attention) as given:
            tokens = self.see(pixel_values, grid_thw)
        queries, keys = (
            layer(given["hidden_states"]).unflatten(-1, (attention.num_heads, -1))
            for layer in (attention.q, attention.k)
        )
        queries, keys = apply_rotary_pos_emb_vision(queries, keys, *given["position_embeddings"])
        by_patch = _received(queries, keys, given["cu_seqlens"])
        order, _ = get_vision_window_index(
            grid_thw, visual.spatial_merge_size, visual.window_size, visual.patch_size
        )
        by_token = by_patch.view(len(tokens), -1).mean(dim=1)
        return tokens, by_token[order.to(by_token.device).argsort()]

    def hear_attended(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """What ``hear`` gives, and the attention received in the last layer, as ``see_attended``
        has it; each token stands for two places of that layer."""
        attention = self.thinker.model.audio_tower.layers[-1].self_attn
        with _inputs_of(attention) as given:
            tokens = self.hear(mel)
        queries, keys = (
            layer(given["hidden_states"]).unflatten(-1, (attention.num_heads, -1))
            for layer in (attention.q_proj, attention.k_proj)
        )
        by_place = _received(queries, keys, given["cu_seqlens"])
        return tokens, by_place[: 2 * len(tokens)].view(-1, 2).mean(dim=1)

    def read(
        self, embeds: Tensor, positions: Tensor, cache: KeyValues | None, mask: Tensor | None
    ) -> Tensor:
        """One forward of the decoder: embeds [n, d], positions [3, n] -> hidden states [n, d].

        ``mask`` is bool [1, 1, n, keys]; ``None`` is causal over the sequence alone.
        """
        out = self.thinker.model.language_model(
            inputs_embeds=embeds[None],
            position_ids=positions[:, None].to(self.device),
            attention_mask=dict.fromkeys(self._layer_types, mask),
            past_key_values=cache,
            use_cache=cache is not None,
        )
        return out.last_hidden_state[0]

    # -- one layer at a time: slow, for what must look between the layers ------------------------

    @property
    def depth(self) -> int:
        """Layers of the decoder."""
        return len(self.thinker.model.language_model.layers)

    def read_layer(
        self, layer: int, hidden: Tensor, positions: Tensor, cache: KeyValues | None
    ) -> Tensor:
        """One layer, causal over the sequence: hidden [n, d], positions [3, n] -> [n, d]."""
        out = self.thinker.model.language_model.layers[layer](
            hidden[None],
            attention_mask=None,
            position_embeddings=self.rotary(hidden[None], positions[:, None]),
            past_key_values=cache,
            use_cache=cache is not None,
        )
        return out[0]

    def attention(self, layer: int, hidden: Tensor, positions: Tensor, queries: Tensor) -> Tensor:
        """Weights [q, n] of the tokens at ``queries`` [q] in a layer that is given ``hidden``
        [n, d], causal, float32, mean over heads."""
        block = self.thinker.model.language_model.layers[layer]
        normed, heads = block.input_layernorm(hidden), block.self_attn
        angles = [part[0] for part in self.rotary(hidden[None], positions[:, None])]
        asking = heads.q_proj(normed[queries]).unflatten(-1, (-1, heads.head_dim))
        asked = heads.k_proj(normed).unflatten(-1, (-1, heads.head_dim))
        asking = _turned(asking, *(part[queries] for part in angles))
        asked = _turned(asked, *angles).repeat_interleave(heads.num_key_value_groups, dim=1)
        logits = torch.einsum("qhd,khd->hqk", asking, asked) * heads.scaling
        later = torch.arange(len(hidden), device=queries.device)[None] > queries[:, None]
        return logits.masked_fill(later, float("-inf")).softmax(dim=-1).mean(dim=0)

    def angles(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """cos and sin [n, D] of positions [3, n], float32."""
        cos, sin = self.rotary.angles(positions[:, None].to(self.device))
        return cos[0].to(self.device, torch.float32), sin[0].to(self.device, torch.float32)

    def heads(self, layer: int, hidden: Tensor, turns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What a layer's attention works on: hidden [n, d], cos and sin [2, n, D] of its positions
        -> queries [H, n, D], keys and values [H_kv, n, D], the first two turned."""
        block = self.thinker.model.language_model.layers[layer]
        heads, normed = block.self_attn, block.input_layernorm(hidden)
        asking, asked, told = (
            project(normed).unflatten(-1, (-1, heads.head_dim))
            for project in (heads.q_proj, heads.k_proj, heads.v_proj)
        )
        turned = [_turned(vectors, *turns).to(hidden.dtype) for vectors in (asking, asked)]
        return turned[0].transpose(0, 1), turned[1].transpose(0, 1), told.transpose(0, 1)

    def conclude(self, layer: int, hidden: Tensor, attended: Tensor) -> Tensor:
        """The rest of a layer: hidden [n, d] and the heads' outputs [n, H * D] -> [n, d]."""
        block = self.thinker.model.language_model.layers[layer]
        hidden = hidden + block.self_attn.o_proj(attended)
        return hidden + block.mlp(block.post_attention_layernorm(hidden))

    @property
    def scaling(self) -> float:
        """What logits of attention are multiplied with."""
        return float(self.thinker.model.language_model.layers[0].self_attn.scaling)

    def finish(self, hidden: Tensor) -> Tensor:
        """What ``read`` does after its last layer: [n, d] -> [n, d]."""
        return self.thinker.model.language_model.norm(hidden)

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states [n, d] -> float32 logits [n, vocabulary]."""
        return self.thinker.lm_head(hidden).float()

    def clip_positions(self, inputs: dict[str, Tensor]) -> Tensor:
        """[3, 1, L] of a whole clip by the library's own rule (TMRoPE). Raises ClipError where the
        markers around the media are not those of the media."""
        lengths = inputs.get("feature_attention_mask")
        ids = inputs["input_ids"]
        try:
            positions, _ = self.thinker.model.get_rope_index(
                ids,
                video_grid_thw=inputs.get("video_grid_thw"),
                attention_mask=inputs.get("attention_mask", torch.ones_like(ids)),
                use_audio_in_video=lengths is not None and self._audio_is_in_video(ids[0]),
                audio_seqlens=None if lengths is None else lengths.sum(-1),
                second_per_grids=inputs.get("video_second_per_grid"),
            )
        except (IndexError, ValueError, RuntimeError) as error:
            raise ClipError(
                "the clip's markers do not fit its media: one begin marker and one end marker "
                "around each (for sound in a video, both around the two)"
            ) from error
        return positions

    def _audio_is_in_video(self, ids: Tensor) -> bool:
        """Whether a begin marker of sound follows one of a video at once: the two are interleaved,
        as the library has it."""
        opens_video = ids[:-1] == self.config.vision_start_token_id
        opens_audio = ids[1:] == self.config.audio_start_token_id
        return bool((opens_video & opens_audio).any())

    def clip_embeds(self, inputs: dict[str, Tensor]) -> Tensor:
        """[L, d]: text embeddings with the towers' tokens in the place of their placeholders."""
        ids = inputs["input_ids"][0]
        embeds = self.embed(ids).clone()
        if inputs.get("pixel_values_videos") is not None:
            video = self.see(inputs["pixel_values_videos"], inputs["video_grid_thw"])
            _fill(embeds, ids == self.config.video_token_id, video, "video")
        if inputs.get("input_features") is not None:
            spoken = inputs["feature_attention_mask"][0].bool()
            audio = self.hear(inputs["input_features"][0][:, spoken])
            _fill(embeds, ids == self.config.audio_token_id, audio, "audio")
        return embeds


def _turned(vectors: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Queries or keys [n, H, D] turned by their positions, cos and sin [n, D]; float32."""
    left, right = vectors.float().chunk(2, dim=-1)
    turned = torch.cat([-right, left], dim=-1)
    return vectors.float() * cos[:, None].float() + turned * sin[:, None].float()


@contextmanager
def _inputs_of(module: nn.Module) -> Iterator[dict[str, Any]]:
    """What ``module`` is called with, by name, while the context lasts."""
    given: dict[str, Any] = {}

    def note(_: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Any]) -> None:
        given.update(kwargs, **({"hidden_states": args[0]} if args else {}))

    hook = module.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield given
    finally:
        hook.remove()


def _received(queries: Tensor, keys: Tensor, bounds: Tensor) -> Tensor:
    """Attention that each place receives, mean over heads and over the places of its stretch, times
    their number: [n, H, D] twice, ``bounds`` of the stretches [s + 1] -> float32 [n]."""
    lengths = bounds.diff().tolist()
    parts = []
    for q, k in zip(queries.float().split(lengths), keys.float().split(lengths), strict=True):
        logits = torch.einsum("qhd,khd->hqk", q, k) * q.shape[-1] ** -0.5
        parts.append(logits.softmax(dim=-1).sum(dim=1).mean(dim=0))
    return torch.cat(parts)


def _fill(embeds: Tensor, where: Tensor, tokens: Tensor, name: str) -> None:
    places = int(where.sum())
    if places != len(tokens):
        raise ClipError(
            f"the clip's text has {places} {name} placeholders but the {name} tower made "
            f"{len(tokens)} tokens: they must be equal"
        )
    embeds[where.to(embeds.device)] = tokens
