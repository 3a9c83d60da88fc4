"""Model directories: Qwen2.5-Omni as published, the authors' CS2 layout, and ours.

All three are one layout. A directory holds ``config.json`` (of the full model, or of the thinker
alone), safetensors (one file, or shards with an index; ``thinker.`` prefix or none; old or new
names) and the tokenizer. A sieve adds ``model.bidir_encoder.layers.{i}.*`` and
``model.compressor.*`` to the tensors, and ``av_refiner_layers`` and ``compression_ratio`` to the
text config. Ours adds an ``echosieve`` block to ``config.json``: how streams are laid out.
"""

from sieve.checkpoint.config import AUTHORS_SECTIONS
from sieve.checkpoint.load import DEMO, load_model, weights_of
from sieve.checkpoint.save import save_cs2, save_model, save_sieve

__all__ = [
    "AUTHORS_SECTIONS",
    "DEMO",
    "load_model",
    "save_cs2",
    "save_model",
    "save_sieve",
    "weights_of",
]
