"""The reference is what docstrings and models say."""

from __future__ import annotations

from clients.reference import TARGET, reference
from clients.sdk import EchoSieve
from session import wire


def test_the_reference_is_up_to_date() -> None:
    assert TARGET.read_text() == reference(), "run: python -m clients.reference"


def test_it_holds_signatures_docstrings_fields_and_what_is_said_of_them() -> None:
    page = reference()
    assert (
        "**`await create(room: str = 'default', **settings: Unpack[Settings]) -> Session`**" in page
    )
    assert (EchoSieve.publish.__doc__ or "").splitlines()[0] in page
    assert "| `retention` | `float` | in force when it was asked |" in page
    assert f"default `{wire.DEFAULT_ANSWER_TOKENS}`; > 0; <= {wire.MAX_ANSWER_TOKENS}" in page
    assert "Refused                the service said no" in page
    assert "| `type` | `Literal['x.watch.list']` |  |" in page
    assert "ForwardRef" not in page


def test_every_model_of_an_event_is_in_it() -> None:
    page = reference()
    for name in (
        "WindowIngested",
        "AnswerDone",
        "WatchEvent",
        "NoteAdded",
        "SessionClosed",
        "CreateWatch",
    ):
        assert f"### wire.{name}\n" in page
