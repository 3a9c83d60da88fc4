"""Frame pairs to patches, against the library's image processor."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize as library_size

from sieve.errors import ClipError
from sieve.vision import CELL, check_size, fit_size, patches, resize

LIMITS = (28 * 28 * 4, 28 * 28 * 30)
LIBRARY = Qwen2VLImageProcessorPil(size={"shortest_edge": LIMITS[0], "longest_edge": LIMITS[1]})


def frames(seed: int, count: int, height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def library(frame: np.ndarray) -> tuple[torch.Tensor, list[int]]:
    """Patches of one picture, which the library doubles to a pair, and its grid."""
    made = LIBRARY(images=[frame], return_tensors="pt", input_data_format="channels_last")
    return made["pixel_values"], made["image_grid_thw"][0].tolist()


@settings(max_examples=25)
@given(seed=st.integers(0, 99), height=st.integers(20, 220), width=st.integers(20, 220))
def test_a_doubled_frame_gives_the_librarys_patches(seed: int, height: int, width: int) -> None:
    frame = frames(seed, 1, height, width)[0]
    mine, gh, gw = patches(np.stack([frame, frame]), *LIMITS)
    theirs, grid = library(frame)
    assert [1, gh, gw] == grid
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)


def test_a_pair_interleaves_its_two_frames_in_every_patch() -> None:
    pair = frames(0, 2, 84, 56)
    mine, gh, gw = patches(pair, 28 * 28, 28 * 28 * 30)
    cut = mine.view(gh * gw, 3, 2, 14, 14)
    for index, frame in enumerate(pair):
        alone, _, _ = patches(np.stack([frame, frame]), 28 * 28, 28 * 28 * 30)
        torch.testing.assert_close(cut[:, :, index], alone.view(gh * gw, 3, 2, 14, 14)[:, :, 0])


def test_rows_of_patches_come_two_by_two_so_that_four_neighbours_merge_into_one_token() -> None:
    """Every token is 28 x 28 pixels: paint each in its own grey and look at its four patches."""
    rows, cols = 2, 3
    greys = np.arange(rows * cols, dtype=np.uint8).reshape(rows, cols) * 20
    picture = np.kron(greys, np.ones((CELL, CELL), np.uint8))[..., None].repeat(3, -1)
    pixels, gh, gw = patches(np.stack([picture, picture]), 28 * 28, 28 * 28 * 30)
    assert (gh, gw) == (4, 6)
    tokens = pixels.view(rows * cols, 4, 3, -1)[:, :, 0]
    assert all(len(token.unique()) == 1 for token in tokens)
    seen = tokens[:, 0, 0] * 0.26862954 * 255 + 0.48145466 * 255
    assert seen.round().tolist() == greys.reshape(-1).tolist()


@given(
    height=st.integers(1, 4000),
    width=st.integers(1, 4000),
    min_cells=st.integers(1, 64),
    more_cells=st.integers(0, 1200),
)
def test_sizes_equal_the_librarys(height: int, width: int, min_cells: int, more_cells: int) -> None:
    assume(max(height, width) <= 200 * min(height, width))
    least = min_cells * CELL * CELL
    most = least + more_cells * CELL * CELL
    expected = library_size(height, width, factor=CELL, min_pixels=least, max_pixels=most)
    assert fit_size(height, width, least, most) == expected


@pytest.mark.parametrize("size", [(480, 640), (1, 1), (37, 53), (1080, 1920), (29, 1400)])
def test_odd_sizes_give_whole_tokens(size: tuple[int, int]) -> None:
    pixels, gh, gw = patches(frames(1, 2, *size), 50_176, 105_369)
    assert pixels.shape == (gh * gw, 1176)
    assert gh % 2 == gw % 2 == 0
    assert bool(torch.isfinite(pixels).all())


def test_a_frame_of_the_wanted_size_is_not_resampled() -> None:
    frame = frames(2, 1, 56, 84)[0]
    assert resize(frame, 56, 84) is frame


@pytest.mark.parametrize("size", [(0, 10), (10, 0), (1, 201), (4000, 19)])
def test_pictures_without_area_or_longer_than_200_to_1_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ClipError, match=f"{size[1]}x{size[0]}.*200 to 1"):
        check_size(*size)
    with pytest.raises(ClipError):
        fit_size(*size, 784, 7056)
