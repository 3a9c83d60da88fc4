"""A directory of each kind, and one to break."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import tiny
from tests.sieve.checkpoint.directories import (
    SHAPE,
)


@pytest.fixture(scope="package")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_sieve(tmp_path_factory.mktemp("ours"), SHAPE, ours=tiny.STREAM)


@pytest.fixture(scope="package")
def authors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_sieve(tmp_path_factory.mktemp("authors"), SHAPE)


@pytest.fixture(scope="package")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_stock(tmp_path_factory.mktemp("stock"), tiny.TinyShape())


@pytest.fixture
def copy(ours: Path, tmp_path: Path) -> Path:
    """A directory to break."""
    return Path(shutil.copytree(ours, tmp_path / "model"))
