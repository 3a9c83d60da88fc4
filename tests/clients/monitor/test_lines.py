"""A key is found where TOML lets it stand."""

from __future__ import annotations

import pytest

from clients.monitor.lines import line_of

TEXT = """\
folder = "here"
mqtt.host = "broker"
bots = { port = 1 }

[[source]]  # the first
kind = "room"
  [[source]]
  "name" = "yard"
[[watch]]
query = "name = x"
[[watch]]
[[watch.quiet]]
start = "22:00"
[[watch.quiet]]
start = "23:00"
[service]
url="http://127.0.0.1:8080"
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("folder", 1),
        ("mqtt.host", 2),
        ("mqtt.port", 2),
        ("bots.port", 3),
        ("source", 5),
        ("source.0.kind", 6),
        ("source.0.name", 5),
        ("source.1.name", 8),
        ("watch.0.query", 10),
        ("watch.0.name", 9),
        ("watch.1.query", 11),
        ("watch.1.quiet.0.start", 13),
        ("watch.1.quiet.1.start", 15),
        ("service.url", 17),
        ("notes.every_s", None),
    ],
)
def test_a_key_is_found_or_else_what_it_stands_in(key: str, line: int | None) -> None:
    assert line_of(TEXT, key.split(".")) == line
