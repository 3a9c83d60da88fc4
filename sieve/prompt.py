"""The chat template of Qwen2.5-Omni, cut where the stream goes in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

DEFAULT_INSTRUCTION = "You watch and listen."


@dataclass(frozen=True, slots=True)
class Modalities:
    """Which markers surround the stream: a stream without sound has no audio markers."""

    video: bool = True
    audio: bool = True

    @property
    def markers(self) -> int:
        """How many begin markers, and end markers, there are."""
        return self.video + self.audio

    def joined(self, other: Modalities) -> Modalities:
        return Modalities(self.video or other.video, self.audio or other.audio)

    @property
    def begin(self) -> str:
        return "<|vision_bos|>" * self.video + "<|audio_bos|>" * self.audio

    @property
    def end(self) -> str:
        return "<|audio_eos|>" * self.audio + "<|vision_eos|>" * self.video


def prompt_text(instruction: str, modalities: Modalities, told: str = "") -> str:
    """What stands before the stream: the standing instruction, what the user said before it, then
    the begin markers."""
    system = f"<|im_start|>system\n{_said(instruction)}<|im_end|>\n"
    return f"{system}<|im_start|>user\n{_said(told)}{modalities.begin}"


def question_text(question: str, history: Sequence[tuple[str, str]], modalities: Modalities) -> str:
    """What stands after the stream: end markers, earlier turns, the question, the answer's cue."""
    turns = "".join(
        f"{_said(asked)}<|im_end|>\n<|im_start|>assistant\n"
        f"{_said(answered)}<|im_end|>\n<|im_start|>user\n"
        for asked, answered in history
    )
    return f"{modalities.end}{turns}{_said(question)}<|im_end|>\n<|im_start|>assistant\n"


def _said(text: str) -> str:
    """What people wrote, unable to open or close a turn: all control tokens begin with ``<|``."""
    return text.replace("<|", "< |")
