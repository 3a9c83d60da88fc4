"""Sizes in ``config.json`` that no model can have: torch stumbles over them in words of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sieve.errors import CheckpointError
from sieve.faults import shown

# By the section: whole numbers that are at least 1.
COUNTS = {
    "text_config": (
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "vocab_size",
    ),
    "audio_config": (
        "d_model",
        "encoder_layers",
        "encoder_attention_heads",
        "encoder_ffn_dim",
        "n_window",
        "num_mel_bins",
        "max_source_positions",
        "output_dim",
    ),
    "vision_config": (
        "depth",
        "hidden_size",
        "intermediate_size",
        "num_heads",
        "in_channels",
        "patch_size",
        "spatial_merge_size",
        "temporal_patch_size",
        "window_size",
        "out_hidden_size",
    ),
}
# A size that is a multiple of another, and how often that has to fit in evenly: rotary angles are
# of pairs, those of a picture of pairs in height and in width.
MULTIPLES = (
    ("text_config", "num_attention_heads", "num_key_value_heads", 1),
    ("audio_config", "d_model", "encoder_attention_heads", 1),
    ("vision_config", "hidden_size", "num_heads", 4),
)
OF_HEADS = ("text_config", "hidden_size", "num_attention_heads", 2)


def check_sizes(thinker: Mapping[str, Any], path: Path) -> None:
    """The numbers of the thinker's part of the config at ``path``; what is absent has the library's
    own value, and what is of another type is refused by it. Raises CheckpointError."""
    for fault in _faults(thinker):
        raise CheckpointError(f"{path}: {fault}")


def _faults(thinker: Mapping[str, Any]) -> Iterator[str]:
    for section, names in COUNTS.items():
        for name in names:
            found = _count(thinker, section, name)
            if found is not None and found < 1:
                yield f"{section}.{name} must be at least 1, not {found}"
    head_dim = _count(thinker, "text_config", "head_dim")
    if head_dim is not None and head_dim % 2:
        yield f"text_config.head_dim must be even, as angles are of pairs, not {head_dim}"
    for section, whole, part, times in MULTIPLES if head_dim else (*MULTIPLES, OF_HEADS):
        size, fits = _count(thinker, section, whole), _count(thinker, section, part)
        if size and fits and size % (times * fits):
            of = part if times == 1 else f"{times} {part}"
            yield f"{section}.{whole} must be a multiple of {of} ({times * fits}), not {size}"
    yield from _unfit(thinker)


def _unfit(thinker: Mapping[str, Any]) -> Iterator[str]:
    """Numbers of the text_config that divide, or stand beneath a root."""
    text = _section(thinker, "text_config")
    rope = text.get("rope_parameters")
    theta = rope.get("rope_theta") if isinstance(rope, dict) else None
    for name, found in {
        "rms_norm_eps": text.get("rms_norm_eps"),
        "rope_parameters.rope_theta": theta,
        "rope_theta": text.get("rope_theta"),  # where published configs have it
    }.items():
        if isinstance(found, int | float) and not 0.0 < found < float("inf"):
            yield f"text_config.{name} must be a finite number above 0, not {shown(found)}"


def _count(thinker: Mapping[str, Any], section: str, name: str) -> int | None:
    """None where it is absent, or no whole number."""
    found = _section(thinker, section).get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _section(thinker: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = thinker.get(name)
    return found if isinstance(found, dict) else {}
