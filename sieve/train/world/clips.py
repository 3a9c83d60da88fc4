"""The world as clips with answers, for ``echosieve train --data``: media files and a line of JSON
for each.

``python -m sieve.train.world.clips --out FOLDER`` gives a real backbone material whose truth is
known, where no labelled recordings are at hand. Clips that are there already are kept; the same
settings give the same clips.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from stream.render import render_file
from stream.source import SceneSource
from stream.world.plot import FIRST_WORLD, Plot, Varied
from stream.world.scene import Question, Scene

FIRST_SCENE = 700_000_000  # apart from those of the built-in model's training and of the evaluation
WORLDS: Mapping[str, Plot] = {"varied": Varied("train"), "first": FIRST_WORLD}
LIST = "clips.jsonl"


@dataclass(frozen=True, slots=True)
class Plan:
    """``clips`` of ``world``, each ``seconds`` (shortest, longest) long with up to ``turns``
    questions about all of it, ``size`` pixels square at ``fps``."""

    clips: int = 100
    world: str = "varied"
    seed: int = 1
    seconds: tuple[float, float] = (4.0, 30.0)
    turns: int = 4
    size: int = 336
    fps: int = 4


def write(plan: Plan, folder: Path) -> Path:
    """All clips, and the file that lists them."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(_clip(plan, folder, n)) for n in track(range(plan.clips), "rendering")]
    path = folder / LIST
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _clip(plan: Plan, folder: Path, number: int) -> dict[str, Any]:
    """The line of a clip, whose file is rendered where it is missing."""
    scene = Scene(FIRST_SCENE + plan.seed * 100_000 + number, WORLDS[plan.world])
    rng = np.random.default_rng([scene.seed, 81])
    seconds = round(float(np.exp(rng.uniform(*np.log(plan.seconds)))), 1)
    path = folder / f"{plan.world}-{scene.seed}.webm"
    if not path.exists():
        partial = folder / f"partial-{path.name}"
        source = SceneSource(scene, seconds, fps=plan.fps, size=plan.size)
        render_file(source.items(), partial, fps=plan.fps)
        partial.replace(path)
    asked = scene.questions(seconds, 0.0, rng)
    chosen = [asked[int(i)] for i in rng.permutation(len(asked))[: plan.turns]]
    return {"messages": _messages(path.name, chosen)}


def _messages(media: str, asked: Sequence[Question]) -> list[dict[str, Any]]:
    """Question and answer by turns; the media stand before the first."""
    messages: list[dict[str, Any]] = []
    for number, question in enumerate(asked):
        parts = [{"type": "video", "video": media}] if number == 0 else []
        text = {"type": "text", "text": question.text}
        messages.append({"role": "user", "content": [*parts, text]})
        messages.append({"role": "assistant", "content": question.answer})
    return messages


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m sieve.train.world.clips", description=__doc__)
    usual = Plan()
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--clips", type=int, default=usual.clips, help="(%(default)s)")
    parser.add_argument("--world", choices=tuple(WORLDS), default=usual.world, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=usual.seed, help="(%(default)s)")
    parser.add_argument("--turns", type=int, default=usual.turns, help="a clip (%(default)s)")
    parser.add_argument("--size", type=int, default=usual.size, help="pixels (%(default)s)")
    args = parser.parse_args(argv)
    if args.clips < 1 or args.turns < 1 or args.seed < 0 or args.size < 84 or args.size % 84:
        parser.error("--clips and --turns are 1 or more, --seed 0 or more, --size a multiple of 84")
    plan = Plan(args.clips, args.world, args.seed, turns=args.turns, size=args.size)
    try:
        path = write(plan, args.out)
    except OSError as error:
        parser.exit(1, f"{args.out} cannot be written to ({error.strerror}): name a folder\n")
    print(f"echosieve train --data {path} --model DIR --out SIEVE")
    return 0


if __name__ == "__main__":
    sys.exit(main())
