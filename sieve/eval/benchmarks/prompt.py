"""How a question is put, one form a benchmark.

The structure is the benchmarks' own: question, lettered options, the wish for a letter (a number,
yes or no) and nothing else. The wording is WorldSense's for every choice, and ours for what is no
choice (docs/BENCHMARKS.md). ``bare`` is the question alone, for a model that knows no letters, such
as the built-in one.
"""

from __future__ import annotations

from typing import Literal

from sieve.eval.benchmarks.item import Item, lettered

Style = Literal["documented", "bare"]

_LETTER = "Answer with the option's letter from the given choices directly."
_CHOICE = "{context}{question}\nOptions:\n{options}\n" + _LETTER
_YES_OR_NO = "Answer with yes or no only."
_FORMS = {
    "worldsense": _CHOICE,
    "dailyomni": _CHOICE,
    "videomme": _CHOICE,
    "mlvu": _CHOICE,
    "ovobench": _CHOICE,
    "ovobench REC": (
        "Count how many times the people in the video have done this up to now, all of them "
        "together: {question}. A motion counts once it is complete. Answer with a number only."
    ),
    "ovobench SSR": (
        "The video shows somebody working step by step. One of the steps is: {question}. "
        "Is this step being carried out at the end of what you have seen? " + _YES_OR_NO
    ),
    "ovobench CRR": (
        "A question about the end of what you have seen: {question} Do the latest frames show "
        "enough to answer it? " + _YES_OR_NO
    ),
    "streamingbench": _CHOICE,
    "streamingbench proactive": (
        '{question} Is it the right time now to say "{options}"? ' + _YES_OR_NO
    ),
}
_CONTEXT = "Asked and answered earlier about this video:\n{}Now answer this question.\n"


def prompt_of(item: Item, style: Style) -> str:
    """The text put to the model."""
    if style == "bare":
        return item.question
    options = item.options if item.kind == "moment" else lettered(item.options)
    return _FORMS[item.form].format(
        context=_CONTEXT.format(item.context) if item.context else "",
        question=item.question,
        options="\n".join(options),
    )
