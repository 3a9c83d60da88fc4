"""The types of what is given on the command line."""

from __future__ import annotations

import argparse

import pytest

from session.options import origin


@pytest.mark.parametrize("given", ["https://that.site", "http://that.site:8000", "http://[::1]:80"])
def test_an_origin_is_as_browsers_write_it(given: str) -> None:
    assert origin(given) == given


def test_an_origin_is_in_small_letters_as_browsers_send_it() -> None:
    assert origin("https://That.Site") == "https://that.site"


@pytest.mark.parametrize(
    "given", ["that.site", "https://that.site/", "https://that.site/a", "ftp://that.site", "*", ""]
)
def test_an_origin_that_no_browser_sends_is_refused(given: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"must be like https://that\.site"):
        origin(given)
