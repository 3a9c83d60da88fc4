"""The OpenAI names for one of our answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

from session import wire
from session.ids import new_id
from session.live.answering import AnswerEvent

STATUS: dict[wire.AnswerStatus, wire.ResponseStatus] = {
    "completed": "completed",
    "truncated": "incomplete",
    "cancelled": "cancelled",
    "failed": "failed",
}


@dataclass(frozen=True, slots=True)
class Script:
    """Tells an answer as a response with one item."""

    response_id: str
    item_id: str
    previous_item_id: str | None
    metadata: dict[str, str] | None
    remembered: bool

    @property
    def begun(self) -> wire.Item:
        """The item before anything is said in it."""
        return self._item("in_progress", [])

    def tell(self, event: AnswerEvent) -> Iterator[wire.ServerMessage]:
        match event:
            case wire.AnswerStarted():
                yield from self._begin()
            case wire.AnswerDelta():
                yield wire.OutputTextDelta(**self._place(), delta=event.delta)
            case wire.AnswerDone():
                yield from self._end(event.answer)

    def _begin(self) -> Iterator[wire.ServerMessage]:
        yield wire.ResponseCreated(event_id=new_id("evt"), response=self._response("in_progress"))
        item = self.begun
        if self.remembered:
            yield wire.ItemAdded(**self._spot(), item=item)
        yield wire.OutputItemAdded(event_id=new_id("evt"), response_id=self.response_id, item=item)
        yield wire.ContentPartAdded(**self._place(), part=wire.Part(type="text", text=""))

    def _end(self, answer: wire.Answer) -> Iterator[wire.ServerMessage]:
        text = answer.text
        item = self._item(
            "completed" if answer.status == "completed" else "incomplete",
            [wire.Part(type="output_text", text=text)],
        )
        yield wire.OutputTextDone(**self._place(), text=text)
        yield wire.ContentPartDone(**self._place(), part=wire.Part(type="text", text=text))
        yield wire.OutputItemDone(event_id=new_id("evt"), response_id=self.response_id, item=item)
        if self.remembered:
            yield wire.ItemDone(**self._spot(), item=item)
        response = self._response(STATUS[answer.status]).model_copy(
            update={
                "status_details": answer.error,
                "output": [item],
                "usage": usage_of(answer),
                "x": answer,
            }
        )
        if error := answer.cut_off:
            yield wire.RealtimeError(event_id=new_id("evt"), error=error)
        yield wire.ResponseDone(event_id=new_id("evt"), response=response)

    def _response(self, status: wire.ResponseStatus) -> wire.Response:
        return wire.Response(id=self.response_id, status=status, metadata=self.metadata)

    def _item(self, status: wire.ItemStatus, content: list[wire.Part]) -> wire.Item:
        return wire.Item(id=self.item_id, status=status, role="assistant", content=content)

    def _place(self) -> Place:
        return Place(event_id=new_id("evt"), response_id=self.response_id, item_id=self.item_id)

    def _spot(self) -> Spot:
        return Spot(event_id=new_id("evt"), previous_item_id=self.previous_item_id)


class Place(TypedDict):
    """Where a piece of text belongs."""

    event_id: str
    response_id: str
    item_id: str


class Spot(TypedDict):
    """Where an item stands in the conversation."""

    event_id: str
    previous_item_id: str | None


def usage_of(answer: wire.Answer) -> wire.Usage:
    """The tokens an answer could attend to, and those it wrote."""
    seen = answer.kept.video + answer.kept.audio
    details = wire.TokenDetails(
        text_tokens=0,
        audio_tokens=answer.kept.audio,
        image_tokens=answer.kept.video,
        cached_tokens=seen,
    )
    return wire.Usage(
        total_tokens=seen + answer.output_tokens,
        input_tokens=seen,
        output_tokens=answer.output_tokens,
        input_token_details=details,
    )
