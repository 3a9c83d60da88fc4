"""The decoder over a batch as the engine runs it: streams once, then conversations as branches.

A branch attends to what the memory holds of its stream at its moment and to itself, so
conversations cost nothing to one another. In the last layer only what is asked for is computed.
Letters: B streams of S places, Q branches each, of L places; G heads of keys with P heads of
queries each, of width D.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_MASKED = -1e4  # fits bfloat16 and float16


@dataclass(frozen=True, slots=True)
class Streams:
    """states [B, S, d], positions [3, B, S], ``sees`` bool [B, S, S]."""

    states: Tensor
    positions: Tensor
    sees: Tensor


@dataclass(frozen=True, slots=True)
class Branches:
    """states [B Q, L, d], positions [3, B Q, L]; ``sees`` bool [B, Q, S] of its stream, ``real``
    bool [B Q, L] (what is not is padding, before the text)."""

    states: Tensor
    positions: Tensor
    sees: Tensor
    real: Tensor


def decode(lm: Any, streams: Streams, branches: Branches, asked: int) -> tuple[Tensor, Tensor]:
    """Final states [B Q, asked, d] of the last ``asked`` places of every branch, and the streams'
    states [B, S, d] after half of the layers."""
    states, text = streams.states, branches.states
    turns, text_turns = _turns(lm, states, streams.positions), _turns(lm, text, branches.positions)
    mask = additive(streams.sees)[:, None, None]
    text_masks = _branch_masks(branches)
    middle, last = states, len(lm.layers) - 1
    for i, layer in enumerate(lm.layers):
        read, text_read = layer.input_layernorm(states), layer.input_layernorm(text)
        memory, own = _keys_values(layer, read, turns), _keys_values(layer, text_read, text_turns)
        if i < last:
            attended = _read_streams(layer, read, turns, memory, mask)
            states = _finish(layer, states, attended)
        else:
            text, text_read = text[:, -asked:], text_read[:, -asked:]
            text_turns = tuple(turn[:, -asked:] for turn in text_turns)
            text_masks = tuple(part[..., -asked:, :] for part in text_masks)
        attended = _read_branches(layer, text_read, text_turns, memory, own, text_masks)
        text = _finish(layer, text, attended)
        if i + 1 == len(lm.layers) // 2:
            middle = states
    return lm.norm(text), middle


def additive(sees: Tensor) -> Tensor:
    """bool -> 0 and a very low number, in the type in which attention is computed."""
    kind = sees.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
    return torch.zeros(sees.shape, dtype=dtype, device=sees.device).masked_fill_(~sees, _MASKED)


def _branch_masks(branches: Branches) -> tuple[Tensor, ...]:
    """Additive [B, 1, 1, Q, 1 -> L, S] for the stream, [B Q, 1, 1, L, L] for the branch itself."""
    length = branches.real.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=branches.real.device).tril()
    own = causal & branches.real[:, None, :] | torch.eye(length, dtype=torch.bool).to(causal.device)
    of_stream = additive(branches.sees)[:, None, None, :, None].expand(-1, -1, -1, -1, length, -1)
    return of_stream, additive(own)[:, None, None]


Turns = tuple[Tensor, ...]  # cos and sin [B, L, 1, D]
Memory = tuple[Tensor, Tensor]  # keys and values [B, G, L, D]


def _turns(lm: Any, states: Tensor, positions: Tensor) -> Turns:
    return tuple(turn[:, :, None] for turn in lm.rotary_emb(states, positions))


def _keys_values(layer: Any, read: Tensor, turns: Turns) -> Memory:
    attention = layer.self_attn
    keys = attention.k_proj(read).unflatten(-1, (-1, attention.head_dim))
    values = attention.v_proj(read).unflatten(-1, (-1, attention.head_dim))
    return _turned(keys, turns).transpose(1, 2), values.transpose(1, 2)


def _queries(layer: Any, read: Tensor, turns: Turns, groups: int) -> Tensor:
    """[B, L, G, P, D], scaled."""
    attention = layer.self_attn
    queries = attention.q_proj(read).unflatten(-1, (-1, attention.head_dim))
    return (_turned(queries, turns) * attention.scaling).unflatten(2, (groups, -1))


def _turned(heads: Tensor, turns: Turns) -> Tensor:
    """Rotary embedding of heads [B, L, H, D]."""
    cos, sin = (turn.to(heads.dtype) for turn in turns)
    left, right = heads.chunk(2, -1)
    return heads * cos + torch.cat([-right, left], -1) * sin


def _read_streams(layer: Any, read: Tensor, turns: Turns, own: Memory, mask: Tensor) -> Tensor:
    """What streams attend to, from normed states [B, S, d]; mask [B, 1, 1, S, S]."""
    keys, values = own
    length = read.shape[1]
    queries = _folded(_queries(layer, read, turns, keys.shape[1]))
    scores = (queries @ keys.mT).unflatten(2, (-1, length)) + mask
    weights = scores.softmax(-1).to(values.dtype).flatten(2, 3)
    return _unfolded(weights @ values, length)


def _read_branches(
    layer: Any, read: Tensor, turns: Turns, memory: Memory, own: Memory, masks: tuple[Tensor, ...]
) -> Tensor:
    """What branches attend to, from normed states [B Q, L, d]: one softmax over the memory's places
    and their own."""
    keys, values = memory
    count, places = len(read) // len(keys), keys.shape[2]
    queries = _queries(layer, read, turns, keys.shape[1])
    over_memory = _folded(_by_stream(queries, count)) @ keys.mT  # [B, G, P Q L, S]
    over_own = _folded(queries) @ own[0].mT  # [B Q, G, P L, L]
    shape = (-1, count, read.shape[1])  # P, Q, L
    seen = over_memory.unflatten(2, shape) + masks[0]
    said = over_own.unflatten(2, (-1, read.shape[1])) + masks[1]
    scores = torch.cat([seen, _by_stream_of_heads(said, count)], -1)  # [B, G, P, Q, L, S + L]
    weights = scores.softmax(-1).to(values.dtype)
    of_memory = weights[..., :places].flatten(2, 4) @ values
    of_own = _by_branch_of_heads(weights[..., places:]).flatten(2, 3) @ own[1]
    attended = _unfolded(of_memory, count * read.shape[1]).view(*read.shape[:2], -1)
    return attended + _unfolded(of_own, read.shape[1])


def _finish(layer: Any, states: Tensor, attended: Tensor) -> Tensor:
    """The rest of a layer."""
    states = states + layer.self_attn.o_proj(attended)
    return states + layer.mlp(layer.post_attention_layernorm(states))


def _folded(queries: Tensor) -> Tensor:
    """[B, L, G, P, D] -> [B, G, P L, D]."""
    return queries.permute(0, 2, 3, 1, 4).flatten(2, 3)


def _unfolded(attended: Tensor, length: int) -> Tensor:
    """[B, G, P L, D] -> [B, L, G P D]."""
    return attended.unflatten(2, (-1, length)).permute(0, 3, 1, 2, 4).flatten(2)


def _by_stream(queries: Tensor, count: int) -> Tensor:
    """[B Q, L, ...] -> [B, Q L, ...]."""
    return queries.unflatten(0, (-1, count)).flatten(1, 2)


def _by_stream_of_heads(scores: Tensor, count: int) -> Tensor:
    """[B Q, G, P, L, L] -> [B, G, P, Q, L, L]."""
    return scores.unflatten(0, (-1, count)).permute(0, 2, 3, 1, 4, 5)


def _by_branch_of_heads(weights: Tensor) -> Tensor:
    """[B, G, P, Q, L, L] -> [B Q, G, P, L, L]."""
    return weights.permute(0, 3, 1, 2, 4, 5).flatten(0, 1)
