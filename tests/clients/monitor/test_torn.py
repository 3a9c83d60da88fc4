"""A file that broke off is not tried again before it is another one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clients.monitor.torn import Broken, Torn
from clients.sdk.errors import MediaFailed
from tests.stream.addresses import folder_on_http


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "film.mkv"
    path.write_bytes(b"half a film")
    return path


def test_it_fails_as_before_while_it_is_the_same(file: Path) -> None:
    torn = Torn(str(file))
    torn.check()
    noted = torn.noted(MediaFailed("5.6 s of its 12.0 s could be read"))
    assert isinstance(noted, Broken)
    for _ in range(2):
        with pytest.raises(Broken, match=r"5\.6 s of its 12\.0 s"):
            torn.check()


def test_what_was_completed_while_it_was_read_is_tried_again(file: Path) -> None:
    torn = Torn(str(file))
    torn.check()
    file.write_bytes(b"half a film, and the other half")
    torn.noted(MediaFailed("damaged"))
    torn.check()


def test_it_is_tried_again_when_it_has_grown_or_was_replaced(file: Path, tmp_path: Path) -> None:
    torn = Torn(str(file))
    torn.noted(MediaFailed("damaged"))
    with file.open("ab") as growing:
        growing.write(b", and the other half")
    torn.check()
    torn.noted(MediaFailed("damaged"))
    other = tmp_path / "other.mkv"
    other.write_bytes(file.read_bytes())
    found = file.stat()
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(file)
    torn.check()


def test_a_film_on_a_web_server_is_tried_again_when_the_server_tells_of_another(
    file: Path,
) -> None:
    with folder_on_http(file.parent) as url:
        torn = Torn(f"{url}/{file.name}")
        assert isinstance(torn.noted(MediaFailed("5.6 s of its 12.0 s")), Broken)
        with pytest.raises(Broken, match=r"5\.6 s of its 12\.0 s"):
            torn.check()
        file.write_bytes(b"half a film, and the other half")
        torn.check()


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/film.mkv", "rtsp://127.0.0.1/yard", "/dev/null", "."]
)
def test_what_is_no_file_is_tried_again(address: str) -> None:
    torn, failure = Torn(address), MediaFailed("nothing came for 15 s")
    assert torn.noted(failure) is failure
    torn.check()
