"""The items of the conversation on one channel. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from session import wire
from session.errors import BadRequest, ItemUnknown

MOST_ITEMS = 64  # the channel forgets the oldest of more; what the model reads is not its business
PENDING_ITEMS = 16  # questions that wait for a response.create


@dataclass(slots=True)
class Entry:
    """`turn`: the answer (its id) that the item asks for, or is."""

    item: wire.Item
    turn: str | None = None

    @property
    def text(self) -> str:
        return self.item.content[0].text


class Conversation:
    """In the order in which the items were added; at most `PENDING_ITEMS` questions wait in it."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._waiting: deque[Entry] = deque(maxlen=PENDING_ITEMS)

    @property
    def last(self) -> str | None:
        """The id of the newest item."""
        return next(reversed(self._entries), None)

    def add(self, item: wire.Item, turn: str | None = None) -> None:
        """At the end: a question that waits, or the answer of a turn. Raises BadRequest where an
        item of that id is there."""
        if item.id in self._entries:
            raise BadRequest(f"an item {item.id!r} is there already", param="item.id")
        entry = self._entries[item.id] = Entry(item, turn)
        if turn is None:
            self._waiting.append(entry)
        while len(self._entries) > MOST_ITEMS:
            del self._entries[next(iter(self._entries))]

    def waiting(self) -> Entry:
        """The newest question that no response was created for. Raises BadRequest."""
        if not self._waiting:
            raise BadRequest("no question waits: send conversation.item.create first")
        return self._waiting[-1]

    def asked(self, entry: Entry, turn: str) -> None:
        """The question that waited is being answered; older ones were overtaken."""
        entry.turn = turn
        self._waiting.clear()

    def update(self, item: wire.Item) -> None:
        """As it is now, if it is known still."""
        if item.id in self._entries:
            self._entries[item.id].item = item

    def find(self, item_id: str) -> Entry:
        """Raises ItemUnknown."""
        if item_id not in self._entries:
            raise ItemUnknown(f"there is no item {item_id!r}", param="item_id")
        return self._entries[item_id]

    def remove(self, item_id: str) -> list[str]:
        """The ids of what is gone: a question goes with its answer. Raises ItemUnknown."""
        found = self.find(item_id)
        same = [
            id
            for id, entry in self._entries.items()
            if entry is found or (entry.turn is not None and entry.turn == found.turn)
        ]
        for id in same:
            entry = self._entries.pop(id)
            if entry in self._waiting:
                self._waiting.remove(entry)
        return same
