"""Folders of benchmarks in exactly the published formats, about films of the synthetic world."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.sieve.eval.benchmarks.films import Film


def write_json(path: Path, value: Any) -> None:
    """One entry a line, so that lines can be told."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(value, dict):
        entries = [f"{json.dumps(key)}: {json.dumps(entry)}" for key, entry in value.items()]
        path.write_text("{\n" + ",\n".join(entries) + "\n}\n")
    else:
        path.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in value) + "\n]\n")


def worldsense(root: Path, films: Sequence[Film]) -> None:
    videos: dict[str, Any] = {}
    for film in films:
        film.put_at(root / "videos" / f"{film.name}.mp4")
        video: dict[str, Any] = {"video_id": film.name, "video_caption": "a", "domain": "Music"}
        for number, asked in enumerate(film.asked(), start=1):
            video[f"task{number}"] = {
                "task_type": "Audio Recognition" if number % 2 else "Event Sorting",
                "task_domain": "Recognition",
                "question": asked.text,
                "answer": asked.letter,
                "candidates": asked.lettered,
            }
        videos[film.name] = video
    write_json(root / "worldsense_qa.json", videos)


def dailyomni(root: Path, films: Sequence[Film]) -> None:
    entries = []
    for film in films:
        film.put_at(root / "Videos" / film.name / f"{film.name}_video.mp4")
        entries += [
            {
                "Question": asked.text,
                "Choice": asked.lettered,
                "Answer": asked.letter,
                "video_id": film.name,
                "Type": "Event Sequence",
                "content_parent_category": "a",
                "content_fine_category": "b",
                "video_category": "c",
                "video_duration": "30s",
            }
            for asked in film.asked(count=3)
        ]
    write_json(root / "qa.json", entries)


def videomme(root: Path, films: Sequence[Film]) -> None:
    entries = []
    for film in films:
        film.put_at(root / "data" / f"{film.name}.mp4")
        entries += [
            {
                "video_id": "001",
                "videoID": film.name,
                "question_id": f"{film.name}-{number}",
                "question": asked.text,
                "options": [f"{option}." for option in asked.lettered],
                "answer": asked.letter,
                "duration": "short",
                "domain": "Knowledge",
                "sub_category": "Geography",
                "task_type": "Object Recognition",
            }
            for number, asked in enumerate(film.asked())
        ]
    write_json(root / "videomme.json", entries)


def mlvu(root: Path, films: Sequence[Film]) -> None:
    entries = []
    for film in films:
        film.put_at(root / "1_plotQA" / f"{film.name}.mp4")
        for number, asked in enumerate(film.asked()):
            options = "\n".join(
                f"({letter}) {option}"
                for letter, option in zip("ABCD", asked.options, strict=False)
            )
            entries.append(
                {
                    "video_name": f"1_plotQA/{film.name}.mp4",
                    "question": f"{asked.text}\n{options}",
                    "answer": asked.letter,
                    "task_type": "plotQA" if number % 2 else "ego",
                }
            )
    write_json(root / "mlvu_dev.json", entries)


def ovobench(root: Path, films: Sequence[Film]) -> None:
    entries: list[dict[str, Any]] = []
    for film in films:
        film.put_at(root / "src_videos" / f"{film.name}.mp4")
        for moment_s, task in ((4, "EPM"), (6, "OCR")):
            entries += [
                {
                    "id": len(entries) + number,
                    "task": task,
                    "video": f"src_videos/{film.name}.mp4",
                    "realtime": moment_s,
                    "question": asked.text,
                    "options": asked.options,
                    "gt": asked.right,
                }
                for number, asked in enumerate(film.asked(float(moment_s), 3))
            ]
        entries += _forward(film, len(entries))
    write_json(root / "ovo_bench_new.json", entries)


def _forward(film: Film, first: int) -> list[dict[str, Any]]:
    """REC, SSR and CRR, as far as the film has something to ask."""
    video = f"src_videos/{film.name}.mp4"
    thing, start_s = film.newcomer()
    steps = [
        {"realtime": start_s - 1.0, "step": f"was there a {thing}?", "type": 0},
        {"realtime": start_s + 1.5, "step": f"was there a {thing}?", "type": 1},
    ]
    ssr = {"id": first, "task": "SSR", "video": video, "test_info": steps}
    counted = [(at_s, film.answer("count", at_s)) for at_s in (3.0, 5.0, 7.0)]
    counts = [{"realtime": at_s, "count": int(found[1])} for at_s, found in counted if found]
    rec = {"id": first + 1, "task": "REC", "video": video, "test_info": counts}
    rec["activity"] = "how many sounds were there?"
    heard = [(at_s, film.answer("any", at_s)) for at_s in (3.0, 7.0)]
    clues = [{"realtime": at_s, "type": int(f[1] == "yes")} for at_s, f in heard if f]
    crr = {"id": first + 2, "task": "CRR", "video": video, "test_info": clues}
    crr["question"] = "was there any sound?"
    return [ssr, rec, crr]


def streamingbench(root: Path, films: Sequence[Film]) -> None:
    entries, proactive = [], []
    for film in films:
        thing, start_s = film.newcomer()
        proactive.append(
            {
                "time": "[0:00:00 - 0:00:08]",
                "video_path": f"./videos/{film.name}.mp4",
                "questions": [
                    {
                        "task_type": "Proactive Output",
                        "question": f"was there a {thing}?",
                        "time_stamp": "00:00:00",
                        "ground_truth_time_stamp": f"00:00:0{round(start_s)}",
                        "ground_truth_output": thing,
                    }
                ],
            }
        )
        film.put_at(root / "videos" / f"{film.name}.mp4")
        entries.append(
            {
                "time": "[0:00:00 - 0:00:08]",
                "video_path": f"./videos/{film.name}.mp4",
                "questions": [
                    {
                        "task_type": "Object Perception",
                        "question": asked.text,
                        "time_stamp": "00:00:06",
                        "answer": asked.letter,
                        "options": asked.lettered,
                    }
                    for asked in film.asked(6.0)
                ],
            }
        )
    write_json(root / "questions_real.json", entries)
    write_json(root / "questions_sqa.json", [[entry] for entry in entries])
    write_json(root / "questions_proactive.json", proactive)


WRITE: dict[str, Callable[[Path, Sequence[Film]], None]] = {
    "worldsense": worldsense,
    "dailyomni": dailyomni,
    "videomme": videomme,
    "mlvu": mlvu,
    "ovobench": ovobench,
    "streamingbench": streamingbench,
}
