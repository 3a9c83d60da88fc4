"""The state machine of a session: its life, its questions in flight, its bounded history. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from session import wire
from session.errors import TooManyQuestions, over
from sieve.tokens import Begun

OPEN_STATES: tuple[wire.SessionState, ...] = ("connecting", "live")


@dataclass(slots=True)
class Turn:
    """One question and the answer as it grows. Times are seconds of one monotonic clock."""

    id: str
    question: str
    asked_at: float  # Unix seconds
    asked_s: float  # session clock
    received: float  # monotonic
    remembered: bool
    newest_frame_s: float | None  # capture time of the newest frame it sees
    begun: Begun | None = None
    first_token: float | None = None  # monotonic
    pieces: list[str] = field(default_factory=list)
    output_tokens: int = 0
    notes: tuple[wire.Note, ...] = ()  # that it is answered from

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def say(self, text: str, now: float) -> None:
        """One more token, whose text may be empty."""
        self.output_tokens += 1
        self.first_token = now if self.first_token is None else self.first_token
        self.pieces.append(text)


@dataclass(frozen=True, slots=True)
class Said:
    """A turn that later ones are read with; those of before the session was opened again have no
    id."""

    turn: str | None
    question: str
    answer: str


class Dialogue:
    """Who asks what in one session. Holds at most `in_flight` open and `history` past turns."""

    def __init__(
        self, *, in_flight: int, history: int, past: Sequence[tuple[str, str]] = ()
    ) -> None:
        """`past`: turns of before this session was opened again, oldest first."""
        self.state: wire.SessionState = "connecting"
        self.end_reason: str | None = None
        self._in_flight = in_flight
        self._turns: dict[str, Turn] = {}
        self._history = deque((Said(None, *turn) for turn in past), maxlen=history)

    @property
    def turns(self) -> Sequence[Turn]:
        """The questions in flight, oldest first."""
        return tuple(self._turns.values())

    @property
    def history(self) -> tuple[tuple[str, str], ...]:
        """Completed turns as (question, answer), oldest first."""
        return tuple((said.question, said.answer) for said in self._history)

    def go_live(self) -> bool:
        """The first media came. True when this changed the state."""
        if self.state != "connecting":
            return False
        self.state = "live"
        return True

    def end(self, reason: str) -> bool:
        """No more questions from here on. True the first time; the first reason stays."""
        if self.state == "ended":
            return False
        self.state, self.end_reason = "ended", reason
        return True

    def ask(self, turn: Turn) -> None:
        """Take a question in. Raises SessionOver, Stopping, TooManyQuestions."""
        if self.state not in OPEN_STATES:
            raise over(self.end_reason)
        if len(self._turns) >= self._in_flight:
            raise TooManyQuestions(f"{self._in_flight} questions are being answered already")
        self._turns[turn.id] = turn

    def find(self, turn_id: str) -> Turn | None:
        return self._turns.get(turn_id)

    def begin(self, turn_id: str, begun: Begun, newest_frame_s: float | None) -> None:
        """The engine took the question; `newest_frame_s` is that of the memory."""
        if turn := self._turns.get(turn_id):
            turn.begun = begun
            if turn.newest_frame_s is None:
                turn.newest_frame_s = newest_frame_s

    def say(self, turn_id: str, text: str, now: float) -> bool:
        """One more token of a turn. False when the turn is no longer open."""
        turn = self._turns.get(turn_id)
        if turn is None:
            return False
        turn.say(text, now)
        return True

    def finish(self, turn_id: str, status: wire.AnswerStatus) -> Turn | None:
        """Close a turn; an answer that was said to its end enters the history."""
        turn = self._turns.pop(turn_id, None)
        if turn is not None and turn.remembered and status in ("completed", "truncated"):
            self._history.append(Said(turn.id, turn.question, turn.text))
        return turn

    def unremember(self, turn_id: str) -> None:
        """Later turns are not read with this one, if they are still."""
        kept = [said for said in self._history if said.turn != turn_id]
        self._history = deque(kept, maxlen=self._history.maxlen)
