"""What the world says, for streams whose clock is known to a fraction of a second only."""

from __future__ import annotations

from itertools import product

import numpy as np

from stream.world.scene import Scene

DRAWS = 20  # a scene picks its questions at random; after so many draws hardly any is missing
NOW_SLACK_S = (-0.3, 0.4, 1.5)  # a question is typed, sent and read on a busy machine
SEEN_SLACK_S = (-1.2, -0.5, 0.1, 0.6)  # a frame is up to a second under way to where it is seen
SINCE_SLACK_S = (-1.2, -0.5, 0.5, 1.5)  # connecting takes a while, and its beginning is not heard


def certain(
    scene: Scene, now_s: float, since_s: float, slack_s: tuple[float, ...] = NOW_SLACK_S
) -> dict[str, dict[str, str]]:
    """Kind -> question -> answer: those about [since_s, now_s), in scene seconds, whose answer
    stays the same however the edges of the span shift within the slack (`slack_s`: its end)."""
    spans = [
        (now_s + late, max(0.0, since_s + early)) for late, early in product(slack_s, SINCE_SLACK_S)
    ]
    first, *others = [_truths(scene, now_s, since_s) for now_s, since_s in spans]
    same = {key: a for key, a in first.items() if all(other.get(key) == a for other in others)}
    kinds: dict[str, dict[str, str]] = {}
    for (kind, text), answer in same.items():
        kinds.setdefault(kind, {})[text] = answer
    return kinds


def _truths(scene: Scene, now_s: float, since_s: float) -> dict[tuple[str, str], str]:
    rng = np.random.default_rng(0)
    return {
        (question.kind, question.text): question.answer
        for _ in range(DRAWS)
        for question in scene.questions(now_s, since_s, rng)
    }


def same_answer(said: str, truth: str) -> bool:
    """Case, spaces and a full stop do not matter."""
    return said.strip().rstrip(".").lower() == truth
