"""Files of tensors are whole, or told to be damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sieve.errors import TrainingError
from sieve.train.saving import load_whole, save_whole


@pytest.mark.parametrize("mmap", [False, True])
def test_what_was_saved_is_loaded(mmap: bool, tmp_path: Path) -> None:
    save_whole({"weights": torch.arange(3)}, tmp_path / "state.pt")
    assert load_whole(tmp_path / "state.pt", mmap=mmap)["weights"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_file_that_was_cut_is_told_with_what_to_do(
    mmap: bool, share: float, tmp_path: Path
) -> None:
    path = tmp_path / "state.pt"
    save_whole({"weights": torch.arange(300)}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(TrainingError, match=r"state\.pt is damaged \(.+\): remove it"):
        load_whole(path, mmap=mmap)


def test_a_file_of_something_else_is_told(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    path.write_text("not tensors")
    with pytest.raises(TrainingError, match="is damaged"):
        load_whole(path)
