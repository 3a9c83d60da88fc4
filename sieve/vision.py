"""Frame pairs to patches, equal to the library's image processor on uint8 input."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sieve.errors import ClipError

PATCH, MERGE, PAIR = 14, 2, 2
CELL = PATCH * MERGE  # one token covers 28 x 28 pixels
PATCH_VALUES = 3 * PAIR * PATCH * PATCH
_MAX_ASPECT = 200
_MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
_STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)


def check_size(height: int, width: int) -> None:
    """Raise ClipError for a picture without area, or longer than 200 to 1."""
    if min(height, width) < 1 or max(height, width) > _MAX_ASPECT * min(height, width):
        raise ClipError(
            f"a picture of {width}x{height} cannot be seen: it needs an area, and sides of at "
            f"most {_MAX_ASPECT} to 1"
        )


def fit_size(height: int, width: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    """Sides rounded to 28 with the area held in [min_pixels, max_pixels], aspect kept.

    Raises ClipError for a picture no model can see: without area, or longer than 200 to 1.
    """
    check_size(height, width)
    rows, cols = round(height / CELL) * CELL, round(width / CELL) * CELL
    if rows * cols > max_pixels:
        shrink = math.sqrt(height * width / max_pixels)
        rows = max(CELL, math.floor(height / shrink / CELL) * CELL)
        cols = max(CELL, math.floor(width / shrink / CELL) * CELL)
    elif rows * cols < min_pixels:
        grow = math.sqrt(min_pixels / (height * width))
        rows = math.ceil(height * grow / CELL) * CELL
        cols = math.ceil(width * grow / CELL) * CELL
    return rows, cols


def resize(frame: NDArray[np.uint8], rows: int, cols: int) -> NDArray[np.uint8]:
    """Bicubic on uint8 [H, W, 3]; on floats up to 3 grey levels would differ."""
    if frame.shape[:2] == (rows, cols):
        return frame
    return np.asarray(Image.fromarray(frame).resize((cols, rows), Image.Resampling.BICUBIC))


def patches(pair: NDArray[np.uint8], min_pixels: int, max_pixels: int) -> tuple[Tensor, int, int]:
    """uint8 [2, H, W, 3] -> pixel values [gh * gw, 1176], gh, gw (in patches of 14 pixels)."""
    rows, cols = fit_size(pair.shape[1], pair.shape[2], min_pixels, max_pixels)
    frames = np.stack([resize(frame, rows, cols) for frame in pair])
    pixels = (torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255 - _MEAN) / _STD
    gh, gw = rows // PATCH, cols // PATCH
    cut = pixels.view(PAIR, 3, gh // MERGE, MERGE, PATCH, gw // MERGE, MERGE, PATCH)
    ordered = cut.permute(2, 5, 3, 6, 1, 0, 4, 7)  # [gh/2, gw/2, mh, mw, C, tp, ph, pw]
    return ordered.reshape(gh * gw, PATCH_VALUES), gh, gw
