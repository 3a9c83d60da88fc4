"""Rendered clips of the synthetic world, small enough to be trained on within seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stream.render import render_file
from stream.source import SceneSource
from stream.world.scene import Scene


def film(path: Path, seed: int = 1, seconds: float = 5.0) -> Path:
    """A WebM file of a scene, 84 x 84 at four pictures a second."""
    render_file(SceneSource(Scene(seed), seconds, size=84, fps=4.0).items(), path, fps=4.0)
    return path


def line(video: str, question: str = "what do you see now?", answer: str = "red circle") -> Any:
    """A labelled clip with content parts, as a JSON value."""
    asked = [{"type": "video", "video": video}, {"type": "text", "text": question}]
    return {
        "messages": [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": answer},
        ]
    }


def write_lines(path: Path, *lines: Any) -> Path:
    """JSON lines; strings are written as they are."""
    texts = [value if isinstance(value, str) else json.dumps(value) for value in lines]
    path.write_text("\n".join(texts) + "\n")
    return path
