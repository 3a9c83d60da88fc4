"""The paper's whole-clip procedure a second time, naively, to be compared with.

EchoingPixels (arXiv 2512.10324) from its equations: float64, one attention head at a time, no
cache, straight from the checkpoint's tensors. Of the library only the two towers are used, of
``sieve`` nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

THETA = 1e6
EPS = 1e-6


@dataclass(frozen=True)
class Answer:
    """See ``sieve.clip.ClipResult``; ``states`` [m, d] is what the LLM read of the kept tokens."""

    positions: Tensor  # [3, L]
    pool: list[int]
    scores: Tensor  # [n]
    keep: list[int]
    states: Tensor
    logits: Tensor  # [m, vocabulary]


@dataclass(frozen=True)
class Reference:
    """``weights``: the checkpoint's tensors, names without ``thinker.``. ``towers``: a stock
    thinker whose vision and audio towers are used. ``sections``: rotary pairs on T, H, W, T."""

    weights: Mapping[str, Tensor]
    towers: Any
    heads: int
    kv_heads: int
    head_dim: int
    sections: Sequence[int]
    layers: int
    refiner_layers: int

    # -- numbers ----------------------------------------------------------------------------

    def linear(self, x: Tensor, name: str) -> Tensor:
        out = x @ self.weights[f"{name}.weight"].double().T
        bias = self.weights.get(f"{name}.bias")
        return out if bias is None else out + bias.double()

    def norm(self, x: Tensor, name: str) -> Tensor:
        scale = x.pow(2).mean(-1, keepdim=True).add(EPS).sqrt()
        return x / scale * self.weights[f"{name}.weight"].double()

    def rotated(self, head: Tensor, positions: Tensor) -> Tensor:
        """One head's queries or keys [L, D]: pair p is the plane of columns p and p + D/2."""
        out, half, axes = head.clone(), self.head_dim // 2, []
        for axis, pairs in zip((0, 1, 2, 0), self.sections, strict=True):
            axes += [axis] * pairs
        for pair, axis in enumerate(axes):
            angle = positions[axis].double() * float(_frequency(pair, self.head_dim))
            x, y = head[:, pair], head[:, pair + half]
            out[:, pair] = x * angle.cos() - y * angle.sin()
            out[:, pair + half] = x * angle.sin() + y * angle.cos()
        return out

    def attention(self, x: Tensor, positions: Tensor, name: str, *, causal: bool) -> Tensor:
        queries, keys, values = (self.linear(x, f"{name}.{part}_proj") for part in "qkv")
        size, out = self.head_dim, []
        for head in range(self.heads):
            of = head * self.kv_heads // self.heads
            query = self.rotated(queries[:, head * size : (head + 1) * size], positions)
            key = self.rotated(keys[:, of * size : (of + 1) * size], positions)
            weights = query @ key.T / math.sqrt(size)
            if causal:
                later = torch.ones_like(weights).triu(1).bool()
                weights = weights.masked_fill(later, -math.inf)
            out.append(weights.softmax(-1) @ values[:, of * size : (of + 1) * size])
        return self.linear(torch.cat(out, dim=1), f"{name}.o_proj")

    def block(self, x: Tensor, positions: Tensor, name: str, *, causal: bool) -> Tensor:
        normed = self.norm(x, f"{name}.input_layernorm")
        x = x + self.attention(normed, positions, f"{name}.self_attn", causal=causal)
        normed = self.norm(x, f"{name}.post_attention_layernorm")
        gate = self.linear(normed, f"{name}.mlp.gate_proj")
        up = self.linear(normed, f"{name}.mlp.up_proj")
        return x + self.linear(gate * gate.sigmoid() * up, f"{name}.mlp.down_proj")

    # -- the procedure ----------------------------------------------------------------------

    @torch.no_grad()
    def __call__(self, clip: Mapping[str, Tensor], retention: float) -> Answer:
        ids = clip["input_ids"][0].tolist()
        config = self.towers.config
        media = {config.video_token_id, config.audio_token_id}
        pool = [i for i, token in enumerate(ids) if token in media]
        positions = clip_positions(clip, config)
        x = self.embedded(clip)
        for index in range(self.refiner_layers):
            x = self.block(x, positions, f"model.bidir_encoder.layers.{index}", causal=False)
        scores = self.scored(x[pool])
        count = max(1, math.ceil(retention * len(pool)))
        best = sorted(range(len(pool)), key=lambda i: -float(scores[i]))[:count]
        keep = sorted({pool[i] for i in best} | (set(range(len(ids))) - set(pool)))
        logits = self.read(x[keep], positions[:, keep])
        return Answer(positions, pool, scores, keep, x[keep], logits)

    def scored(self, states: Tensor) -> Tensor:
        inner = self.linear(
            self.norm(states, "model.compressor.ln"), "model.compressor.score_head.0"
        )
        return self.linear(inner * inner.sigmoid(), "model.compressor.score_head.2")[:, 0]

    def read(self, x: Tensor, positions: Tensor) -> Tensor:
        """The LLM over embeddings [m, d]: logits [m, vocabulary]."""
        for index in range(self.layers):
            x = self.block(x, positions, f"model.layers.{index}", causal=True)
        return self.linear(self.norm(x, "model.norm"), "lm_head")

    def embedded(self, clip: Mapping[str, Tensor]) -> Tensor:
        """Text from the table, pictures and sound from the library's towers, in their places."""
        ids, model, config = clip["input_ids"][0], self.towers.model, self.towers.config
        x = self.weights["model.embed_tokens.weight"].double()[ids]
        if "pixel_values_videos" in clip:
            seen = model.visual(clip["pixel_values_videos"], grid_thw=clip["video_grid_thw"])
            x[ids == config.video_token_id] = seen.pooler_output.double()
        if "input_features" in clip:
            lengths = clip["feature_attention_mask"].sum(-1)
            heard = model.audio_tower(clip["input_features"][0], feature_lens=lengths)
            x[ids == config.audio_token_id] = heard.last_hidden_state.double()
        return x

    @torch.no_grad()
    def generate(self, answer: Answer, new_tokens: int, stop_ids: frozenset[int]) -> list[int]:
        """Greedy, every step from the start: raw embeddings after the largest position."""
        table = self.weights["model.embed_tokens.weight"].double()
        said = [int(answer.logits[-1].argmax())]
        first = int(answer.positions.max()) + 1
        while len(said) < new_tokens and said[-1] not in stop_ids:
            x = torch.cat([answer.states, table[said]])
            after = torch.arange(first, first + len(said)).expand(3, len(said))
            logits = self.read(x, torch.cat([answer.positions[:, answer.keep], after], dim=1))
            said.append(int(logits[-1].argmax()))
        return said


def _frequency(pair: int, head_dim: int) -> Tensor:
    """float32, as the checkpoint was trained with."""
    exponent = torch.tensor(2 * pair, dtype=torch.float32) / head_dim
    return 1.0 / torch.tensor(THETA, dtype=torch.float32) ** exponent


def clip_positions(clip: Mapping[str, Tensor], config: Any) -> Tensor:
    """[3, L], token by token: text advances on all axes; the markers before the media share one
    id, those after them too; a grid has the id of its time and rows and columns that count from
    the media's first id; a sound token has the id of its time."""
    ids = clip["input_ids"][0].tolist()
    _, rows, cols = (clip["video_grid_thw"][0] // torch.tensor([1, 2, 2])).tolist()
    grid_ids = float(clip["video_second_per_grid"][0]) * 25
    begin = {config.vision_start_token_id, config.audio_start_token_id}
    end = {config.vision_end_token_id, config.audio_end_token_id}
    out: list[list[int]] = []
    video = audio = 0
    media_at, previous = 0, -1
    for token in ids:
        newest = max((max(position) for position in out), default=-1)
        if token == config.video_token_id:
            grid, cell = divmod(video, rows * cols)
            place = [int(grid * grid_ids), cell // cols, cell % cols]
            out.append([media_at + p for p in place])
            video += 1
        elif token == config.audio_token_id:
            out.append([media_at + audio] * 3)
            audio += 1
        else:
            together = (token in begin and previous in begin) or (token in end and previous in end)
            out.append([newest if together else newest + 1] * 3)
            media_at = out[-1][0] + 1
        previous = token
    return torch.tensor(out).T
