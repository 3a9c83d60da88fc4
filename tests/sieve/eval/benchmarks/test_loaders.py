"""What each format has of its own, and what is told of entries that cannot be asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sieve.errors import BenchmarkError
from sieve.eval.benchmarks.catalogue import LOADERS, load
from sieve.eval.benchmarks.dailyomni import AFTER, BEFORE
from sieve.eval.benchmarks.entries import Loading
from sieve.eval.benchmarks.item import Unusable, index_of, without_letters
from sieve.eval.benchmarks.prompt import prompt_of
from sieve.eval.benchmarks.streamingbench import seconds
from tests.sieve.eval.benchmarks.formats import write_json

Entry = dict[str, Any]


def media(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def reasons(loading: Loading) -> dict[str, str]:
    return {one.where: one.reason for one in loading.left_out}


# --- WorldSense: an object by video, with tasks ---------------------------------------------------


def worldsense_task(**changes: Any) -> Entry:
    return {
        "task_type": "Audio Counting",
        "task_domain": "Recognition",
        "question": "How many?",
        "answer": "B",
        "candidates": ["A. One.", "B. Two.", "C. Three.", "D. Four."],
    } | changes


def test_worldsense_has_tasks_by_video(tmp_path: Path) -> None:
    media(tmp_path, "videos/v1.mp4")
    video = {"video_caption": "c", "domain": "Music", "duration": 60}
    tasks = {"task0": worldsense_task(), "task1": worldsense_task(answer="D")}
    write_json(tmp_path / "worldsense_qa.json", {"v1": video | tasks})
    loading = load("worldsense", tmp_path)
    first, second = loading.items
    assert (first.id, second.id) == ("v1/task0", "v1/task1")
    assert (first.truth, second.truth) == (1, 3)
    assert first.options == ("One.", "Two.", "Three.", "Four.")
    assert (first.task, first.group) == ("Audio Counting", "Music")
    assert first.where == "worldsense_qa.json:2, task0"
    assert prompt_of(first, "documented") == (
        "How many?\nOptions:\nA. One.\nB. Two.\nC. Three.\nD. Four.\n"
        "Answer with the option's letter from the given choices directly."
    )
    assert prompt_of(first, "bare") == "How many?"


def test_worldsense_entries_that_cannot_be_asked_are_told_with_their_line(tmp_path: Path) -> None:
    media(tmp_path, "videos/v1.mp4")
    good = worldsense_task()
    videos = {
        "v1": {
            "task0": good,
            "task1": worldsense_task(answer="E"),
            "task2": worldsense_task(candidates=["A. a", "C. b", "B. c"]),
            "task3": {"task_type": "x"},
            "task4": "no object",
        },
        "v2": {"task0": good},
        "v3": {"video_id": "v3"},
        "v4": [],
    }
    write_json(tmp_path / "worldsense_qa.json", videos)
    loading = load("worldsense", tmp_path)
    assert [item.id for item in loading.items] == ["v1/task0"]
    told = reasons(loading)
    line = "worldsense_qa.json:"
    assert told[f"{line}2, task1"] == "the answer 'E' is none of A, B, C, D"
    assert "lettered A, C, B; A, B, C would be right" in told[f"{line}2, task2"]
    assert "question must be there" in told[f"{line}2, task3"]
    assert told[f"{line}2, task4"] == "the entry must be an object, not 'no object'"
    assert told[f"{line}3, task0"] == "there is no videos/v2.mp4"
    assert "has no task0" in told[f"{line}4"]
    assert "is an object with tasks" in told[f"{line}5"]


# --- Daily-Omni: both orders of text and video ----------------------------------------------------


def test_daily_omni_asks_every_question_in_both_orders(tmp_path: Path) -> None:
    media(tmp_path, "Videos/v1/v1_video.mp4")
    entry = {
        "Question": "What?",
        "Choice": ["A. a", "B. b", "C. c", "D. d"],
        "Answer": "C",
        "video_id": "v1",
        "Type": "Inference",
    }
    write_json(tmp_path / "qa.json", [entry, entry | {"video_id": "v2"}])
    loading = load("dailyomni", tmp_path)
    after, before = loading.items
    assert (after.group, before.group) == (AFTER, BEFORE)
    assert (after.told_before, before.told_before) == (False, True)
    assert after.truth == before.truth == 2
    assert list(reasons(loading)) == ["qa.json:3"]
    assert "Videos/v2/v2_video.mp4" in reasons(loading)["qa.json:3"]


# --- Video-MME ------------------------------------------------------------------------------------


def videomme_entry(**changes: Any) -> Entry:
    return {
        "videoID": "v1",
        "question_id": "001-1",
        "question": "Q?",
        "options": ["A. Apples.", "B. Candles.", "C. Berries.", "D. The three kinds."],
        "answer": "B",
        "duration": "medium",
        "domain": "Knowledge",
        "sub_category": "Law",
        "task_type": "Counting Problem",
    } | changes


@pytest.mark.parametrize("name", ["data/v1.mp4", "data/v1.mkv", "data/v1.MP4"])
def test_video_mme_options_carry_their_letters(tmp_path: Path, name: str) -> None:
    media(tmp_path, name)
    write_json(tmp_path / "videomme.json", [videomme_entry()])
    (item,) = load("videomme", tmp_path).items
    assert item.options == ("Apples.", "Candles.", "Berries.", "The three kinds.")
    assert (item.id, item.truth, item.group) == ("001-1", 1, "medium")
    assert item.media.samefile(tmp_path / name)


def test_an_id_that_comes_twice_is_left_out_the_second_time(tmp_path: Path) -> None:
    media(tmp_path, "data/v1.mp4")
    write_json(tmp_path / "videomme.json", [videomme_entry(), videomme_entry(answer="A")])
    loading = load("videomme", tmp_path)
    assert len(loading.items) == 1
    assert "is that of videomme.json:2 already" in reasons(loading)["videomme.json:3"]


# --- MLVU: options inside the question ------------------------------------------------------------


def test_mlvu_options_stand_in_the_question(tmp_path: Path) -> None:
    media(tmp_path, "1_plotQA/m.mp4")
    inline = {
        "video_name": "1_plotQA/m.mp4",
        "question": "What colour?\n(A) Yellow\n(B) Red (dark)\n(C) Blue",
        "answer": "B",
        "task_type": "plotQA",
    }
    open_ended = inline | {"question": "Summarise.", "task_type": "summary"}
    write_json(tmp_path / "mlvu_dev.json", [inline, open_ended])
    loading = load("mlvu", tmp_path)
    (item,) = loading.items
    assert (item.question, item.options) == ("What colour?", ("Yellow", "Red (dark)", "Blue"))
    assert (item.truth, item.task) == (1, "plotQA")
    assert "not multiple-choice" in reasons(loading)["mlvu_dev.json:3"]


def test_mlvu_is_read_from_a_file_a_task_too(tmp_path: Path) -> None:
    media(tmp_path, "video/1_plotQA/m.mp4", "video/3_ego/m.mp4")
    listed = {
        "video": "m.mp4",
        "duration": 480.0,
        "question": "What colour?",
        "candidates": ["Yellow", "Red", "Blue", "Green"],
        "answer": "Blue",
        "question_type": "plotQA",
    }
    write_json(tmp_path / "json/1_plotQA.json", [listed, listed | {"answer": "Pink"}])
    write_json(tmp_path / "json/3_ego.json", [listed | {"question_type": "ego"}])
    loading = load("mlvu", tmp_path)
    first, second = loading.items
    assert (first.truth, first.task, second.task) == (2, "plotQA", "ego")
    assert second.media == tmp_path / "video/3_ego/m.mp4"
    assert "'Pink' is none of the candidates" in reasons(loading)["1_plotQA.json:3"]


# --- OVO-Bench: moments ---------------------------------------------------------------------------


def ovo_choice(**changes: Any) -> Entry:
    return {
        "id": 7,
        "task": "OCR",
        "video": "src_videos/a.mp4",
        "realtime": 12,
        "question": "Q?",
        "options": ["x", "y", "z"],
        "gt": 2,
    } | changes


def test_ovo_bench_is_asked_at_its_moment(tmp_path: Path) -> None:
    media(tmp_path, "src_videos/a.mp4")
    write_json(
        tmp_path / "ovo_bench_new.json",
        [
            ovo_choice(),
            ovo_choice(id=8, gt=3),
            ovo_choice(id=9, task="XYZ"),
            ovo_choice(id=10, realtime=-1),
        ],
    )
    loading = load("ovobench", tmp_path)
    (item,) = loading.items
    assert (item.start_s, item.moment_s, item.truth, item.group) == (0.0, 12.0, 2, "realtime")
    told = reasons(loading)
    assert told["ovo_bench_new.json:3"] == "gt 3 is no index of the options A to C"
    assert "there is no task 'XYZ'" in told["ovo_bench_new.json:4"]
    assert "realtime" in told["ovo_bench_new.json:5"]


def test_the_published_cuts_of_ovo_bench_are_asked_at_their_end(tmp_path: Path) -> None:
    media(tmp_path, "chunked_videos/7.mp4")
    write_json(tmp_path / "ovo_bench_new.json", [ovo_choice()])
    (item,) = load("ovobench", tmp_path).items
    assert item.moment_s is None


def test_forward_tasks_of_ovo_bench_are_asked_at_each_of_their_moments(tmp_path: Path) -> None:
    media(tmp_path, "src_videos/a.mp4")
    video = {"video": "src_videos/a.mp4"}
    counts = [{"realtime": 3, "count": 0}, {"realtime": 9, "count": 2}, {"realtime": 10}]
    steps = [{"realtime": 4, "step": "peel", "type": 0}, {"realtime": 5, "step": "cut", "type": 1}]
    clues = [{"realtime": 6, "type": 1}]
    write_json(
        tmp_path / "ovo_bench_new.json",
        [
            {"id": 1, "task": "REC", "activity": "jump", "test_info": counts} | video,
            {"id": 2, "task": "SSR", "test_info": steps} | video,
            {"id": 3, "task": "CRR", "question": "Why?", "test_info": clues} | video,
        ],
    )
    loading = load("ovobench", tmp_path)
    assert [(i.id, i.kind, i.truth, i.moment_s) for i in loading.items] == [
        ("1_0", "count", 0, 3.0),
        ("1_1", "count", 2, 9.0),
        ("2_0", "yes or no", 0, 4.0),
        ("2_1", "yes or no", 1, 5.0),
        ("3_0", "yes or no", 1, 6.0),
    ]
    prompts = [prompt_of(item, "documented") for item in loading.items]
    assert "jump" in prompts[0]
    assert "a number only" in prompts[0]
    assert "peel" in prompts[2]
    assert "Why?" in prompts[4]
    assert reasons(loading) == {
        "ovo_bench_new.json:2, test_info[2]": "REC needs activity and count"
    }


# --- StreamingBench: time stamps, sequences, proactive output -------------------------------------


def streaming_question(**changes: Any) -> Entry:
    return {
        "task_type": "Object Perception",
        "question": "Q?",
        "time_stamp": "00:02:05",
        "answer": "A",
        "options": ["A. a", "B. b", "C. c", "D. d"],
    } | changes


def streaming(root: Path, name: str, *questions: Entry) -> None:
    media(root, "videos/s.mp4")
    video = {"time": "[0:00:00 - 0:04:00]", "video_path": "./videos/s.mp4"}
    write_json(root / name, [video | {"questions": list(questions)}])


def test_streaming_bench_shows_the_minute_before_the_question(tmp_path: Path) -> None:
    early = streaming_question(time_stamp="00:00:20", options=["4.", "2.", "8.", "6."])
    wrong = streaming_question(time_stamp="2 min")
    streaming(tmp_path, "questions_real.json", streaming_question(), early, wrong)
    loading = load("streamingbench", tmp_path)
    late_item, early_item = loading.items
    assert (late_item.start_s, late_item.moment_s) == (65.0, 125.0)
    assert (early_item.start_s, early_item.moment_s) == (0.0, 20.0)
    assert early_item.options == ("4.", "2.", "8.", "6.")
    assert reasons(loading) == {
        "questions_real.json:2, questions[2]": "'2 min' is no time stamp HH:MM:SS"
    }


@pytest.mark.parametrize("wrapped", [False, True])
def test_questions_in_sequence_are_told_the_earlier_ones(tmp_path: Path, wrapped: bool) -> None:
    media(tmp_path, "videos/s.mp4")
    first = streaming_question(question="First?", answer="C")
    second = streaming_question(question="Second?", time_stamp="00:03:00")
    video = {"video_path": "./videos/s.mp4", "questions": [first, second]}
    write_json(tmp_path / "questions_sqa.json", [[video] if wrapped else video])
    one, two = load("streamingbench", tmp_path).items
    assert not one.context
    asked = prompt_of(two, "documented")
    assert "At 00:02:05: First? A. a; B. b; C. c; D. d. Answer: C" in asked
    assert asked.index("First?") < asked.index("Second?")


def test_proactive_output_is_a_question_for_a_moment(tmp_path: Path) -> None:
    proactive = {
        "task_type": "Proactive Output",
        "question": 'When the score is 3, output "3".',
        "time_stamp": "00:00:20",
        "ground_truth_time_stamp": "00:00:29",
        "ground_truth_output": "3",
    }
    backwards = proactive | {"ground_truth_time_stamp": "00:00:10"}
    streaming(tmp_path, "questions_proactive.json", proactive, backwards)
    loading = load("streamingbench", tmp_path)
    (item,) = loading.items
    assert (item.kind, item.start_s, item.moment_s, item.truth) == ("moment", 20.0, 21.0, 29)
    assert 'the right time now to say "3"?' in prompt_of(item, "documented")
    assert "lies before" in reasons(loading)["questions_proactive.json:2, questions[1]"]


@pytest.mark.parametrize(
    ("stamp", "value"), [("00:03:10", 190.0), ("1:00:00", 3600.0), ("03:10", 190.0)]
)
def test_time_stamps_are_seconds(stamp: str, value: float) -> None:
    assert seconds(stamp) == value


@pytest.mark.parametrize("stamp", ["", "190", "00:61:00", "a:b:c", "00:00:00:01"])
def test_other_time_stamps_are_refused(stamp: str) -> None:
    with pytest.raises(Unusable, match="no time stamp"):
        seconds(stamp)


# --- All ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOADERS)
def test_a_folder_without_the_benchmark_is_an_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"docs/BENCHMARKS\.md"):
        load(name, tmp_path)


def test_a_folder_in_which_nothing_can_be_asked_is_an_error(tmp_path: Path) -> None:
    write_json(tmp_path / "videomme.json", [videomme_entry(), {}])
    with pytest.raises(
        BenchmarkError, match=r"2 entries left out; the first: videomme\.json:2: th"
    ):
        load("videomme", tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda options: options[:1],
        lambda options: [*options, "A. again"],
        lambda options: options[::-1],
    ],
)
def test_options_with_wrong_letters_are_refused(
    change: Callable[[list[str]], list[str]],
) -> None:
    with pytest.raises(Unusable):
        without_letters(change(["A. x", "B. y", "C. z"]))


def test_a_letter_in_only_some_options_belongs_to_their_text() -> None:
    assert without_letters(["A. Smith", "Jones"]) == ("A. Smith", "Jones")


@pytest.mark.parametrize("answer", ["B", "b", "(B)", " B. "])
def test_an_answer_is_a_letter_however_it_is_written(answer: str) -> None:
    assert index_of(answer, ("x", "y")) == 1


def test_a_question_may_hold_braces(tmp_path: Path) -> None:
    media(tmp_path, "data/v1.mp4")
    write_json(tmp_path / "videomme.json", [videomme_entry()])
    (item,) = load("videomme", tmp_path).items
    assert "{x} {" in prompt_of(replace(item, question="{x} {"), "documented")
