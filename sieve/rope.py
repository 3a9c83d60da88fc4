"""Positions from absolute time, and the rotary embedding that reads them.

One position id is 40 ms on every axis (T, H, W). Only differences of ids matter to attention, so a
token may carry its absolute time for ever; the angles are taken in float64 because float32 loses
them within hours.

Sync-RoPE (EchoingPixels, section 3.3) splits the rotary pairs into four bands [T | H | W | T], the
slow last band carrying time across large gaps. TMRoPE of the stock model has three [T | H | W].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sieve.errors import CheckpointError

_AXES = {3: (0, 1, 2), 4: (0, 1, 2, 0)}


class AbsoluteRotary(nn.Module):
    """cos and sin for absolute position ids; drop-in for the thinker's ``rotary_emb``.

    ``inv_freq`` [head_dim / 2] is kept as a plain float64 attribute, not a buffer: a buffer would
    be rounded by ``model.to(bfloat16)``.
    """

    def __init__(self, inv_freq: Tensor, sections: Sequence[int]) -> None:
        super().__init__()
        if len(sections) not in _AXES or sum(sections) != inv_freq.numel():
            raise CheckpointError(
                f"rotary sections {list(sections)} (sync_rope_sections) do not fit: expected "
                f"3 (T,H,W) or 4 (T,H,W,T) numbers that add up to head_dim/2 = {inv_freq.numel()}"
            )
        self.sections = tuple(sections)
        self.inv_freq = inv_freq.double()
        axes = _AXES[len(sections)]
        self.axis_of_pair = torch.cat(
            [torch.full((n,), axis) for axis, n in zip(axes, sections, strict=True)]
        )

    @torch.no_grad()
    def forward(self, x: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        """position_ids [3, B, L] -> cos, sin [B, L, head_dim] in the dtype of ``x``."""
        cos, sin = self.angles(position_ids)
        return cos.to(x.device, x.dtype), sin.to(x.device, x.dtype)

    def angles(self, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        """The same in float64; on the CPU where the device has no float64 (Apple's)."""
        if position_ids.device.type == "mps":
            position_ids = position_ids.cpu()
        device = position_ids.device
        per_pair = position_ids[self.axis_of_pair.to(device)].double()  # [head_dim/2, B, L]
        angle = per_pair.permute(1, 2, 0) * self.inv_freq.to(device)
        angle = torch.cat([angle, angle], dim=-1)
        return angle.cos(), angle.sin()


def rotate_keys(keys: Tensor, shift_ids: int, rotary: AbsoluteRotary) -> Tensor:
    """Keys [..., L, head_dim] as they would be had all their positions been ``shift_ids`` later."""
    at = torch.full((3, 1, 1), shift_ids)
    cos, sin = (part[0, 0].to(keys.device, torch.float32) for part in rotary.angles(at))
    left, right = keys.float().chunk(2, dim=-1)
    turned = torch.cat([-right, left], dim=-1)
    return (keys.float() * cos + turned * sin).to(keys.dtype)


def text_positions(first_id: int, count: int) -> Tensor:
    """[3, count]: text advances on all axes together."""
    return torch.arange(first_id, first_id + count).expand(3, count)


def prompt_positions(after_id: int, count: int, markers: int) -> Tensor:
    """[3, count]: a prompt that ends right before ``after_id``; its last markers share one id."""
    shared = max(markers - 1, 0)
    ids = torch.arange(count) - torch.clamp(torch.arange(count) - (count - 1 - shared), min=0)
    return (ids + after_id - (count - shared)).expand(3, count)


def suffix_positions(first_id: int, count: int, markers: int) -> Tensor:
    """[3, count]: the text after the stream; its leading end markers share one id."""
    ids = torch.arange(count)
    ids = torch.clamp(ids - max(markers - 1, 0), min=0)
    return (ids + first_id).expand(3, count)


def grid_positions(time_id: int, anchor_id: int, rows: int, cols: int) -> Tensor:
    """[3, rows * cols], row-major: T is the time, H and W count from the anchor."""
    t = torch.full((rows * cols,), time_id)
    h = torch.arange(rows).repeat_interleave(cols) + anchor_id
    w = torch.arange(cols).repeat(rows) + anchor_id
    return torch.stack([t, h, w])


def audio_positions(first_id: int, count: int) -> Tensor:
    """[3, count]: one id per token of 40 ms, on all axes."""
    return text_positions(first_id, count)
