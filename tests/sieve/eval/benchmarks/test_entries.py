"""Entries of JSON files with their lines, and what is no JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sieve.errors import BenchmarkError
from sieve.eval.benchmarks.entries import Folder, Loading, elements
from sieve.eval.benchmarks.item import LeftOut, Unusable

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=40)
@given(
    st.lists(VALUES, max_size=4) | st.dictionaries(st.text(), VALUES, max_size=4),
    st.sampled_from([None, 1, "\t"]),
)
def test_elements_are_those_that_json_reads(
    value: list[object] | dict[str, object], indent: int | str | None
) -> None:
    found = list(elements(f"\n {json.dumps(value, indent=indent)}\n"))
    if isinstance(value, dict):
        assert {key: element for _, key, element in found} == value
    else:
        assert [element for _, _, element in found] == value


def read(tmp_path: Path, name: str, text: str) -> tuple[list[tuple[str, object]], list[LeftOut]]:
    path = tmp_path / name
    path.write_text(text)
    loading = Loading()
    found = [(entry.where, entry.value) for entry in loading.entries(path)]
    return found, loading.left_out


def test_an_entry_knows_its_line(tmp_path: Path) -> None:
    found, left = read(tmp_path, "qa.json", '[\n  {"a":\n 1},\n\n  {"b": 2}, {"c": 3}]')
    assert [where for where, _ in found] == ["qa.json:2", "qa.json:5", "qa.json:5"]
    assert not left


def test_where_json_breaks_what_came_before_is_used_and_the_line_told(tmp_path: Path) -> None:
    found, left = read(tmp_path, "qa.json", '[\n{"a": 1},\n{"b" 2},\n{"c": 3}\n]')
    assert found == [("qa.json:2", {"a": 1})]
    assert left[0].where == "qa.json:3"
    assert "nothing after it could be read" in left[0].reason


@pytest.mark.parametrize("text", ["", "42", '"text"', "[1, 2", '{"a" 1}', "[1 2]", "{1: 2}"])
def test_what_is_no_list_of_entries_is_told(tmp_path: Path, text: str) -> None:
    _, left = read(tmp_path, "qa.json", text)
    assert len(left) == 1
    assert left[0].where == "qa.json:1"


def test_a_broken_line_of_json_lines_is_left_out_and_the_others_are_read(tmp_path: Path) -> None:
    found, left = read(tmp_path, "qa.jsonl", '{"a": 1}\n{"b"\n\n{"c": 3}\n')
    assert [where for where, _ in found] == ["qa.jsonl:1", "qa.jsonl:4"]
    assert [one.where for one in left] == ["qa.jsonl:2"]


@pytest.mark.parametrize("text", ["[" * 100_000, '[{"a": ' + "9" * 5_000 + "}]"])
@pytest.mark.parametrize("name", ["qa.json", "qa.jsonl"])
def test_json_that_nobody_can_read_is_told(tmp_path: Path, name: str, text: str) -> None:
    found, left = read(tmp_path, name, text)
    assert not found
    assert left[0].where == f"{name}:1"


def test_half_a_character_is_left_out(tmp_path: Path) -> None:
    found, left = read(tmp_path, "qa.json", '[\n{"a": "\\ud83d"},\n{"a": "\\ud83d\\ude00"}\n]')
    assert [where for where, _ in found] == ["qa.json:3"]
    assert left == [LeftOut("qa.json:2", "holds half of a character (UTF-16)")]


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "qa.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BenchmarkError, match=r"qa\.json cannot be read as UTF-8"):
        list(Loading().entries(tmp_path / "qa.json"))


def test_a_folder_says_what_it_lacks(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with pytest.raises(BenchmarkError, match=r"has no qa\.json and no qa\.jsonl"):
        folder.file("qa.json", "qa.jsonl")
    with pytest.raises(Unusable, match=r"there is no videos/a\.mp4"):
        folder.media("videos/a.mp4")
    for name in ("x" * 5_000, "a\0b"):
        with pytest.raises(Unusable, match="there is no"):
            folder.media(name)
    with pytest.raises(BenchmarkError, match="there is no directory"):
        Folder(tmp_path / "nowhere")
