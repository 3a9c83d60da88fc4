"""Every way of keeping tokens, by the name it is chosen with (``--selector NAME``); said of each
from the user's side in ``docs/METHODS.md``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sieve.baselines import (
    DTD,
    SEATS,
    AudioScorer,
    FastAV,
    FastV,
    InLLM,
    IntraModal,
    KeepAll,
    OmniSIFT,
    OmniZip,
    PerModality,
    PyramidDrop,
    RandomTokens,
    RawStates,
    Recent,
    RefinedStates,
    Similarity,
    Uniform,
)
from sieve.baselines.omnisift import FILE as OMNISIFT_FILE
from sieve.errors import SettingInvalid
from sieve.model import Model
from sieve.policy import Policy, RecentFirst
from sieve.prune import Pruner
from sieve.select import CS2Selector, Method, Selector

TRAINING_FREE = "fastav"  # the default of a model without CS2 weights; docs/METHODS.md: why
REFINED = "refined-"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the list: how a selector is made for a model, and what is said of it."""

    build: Callable[[Model], Selector]
    says: str
    policy: Policy | None = None
    attention: bool = False  # whether it reads that of the towers


def default_name(model: Model) -> str:
    """The name of the method a model comes with."""
    return "cs2" if model.cs2 is not None else TRAINING_FREE


def default_method(model: Model) -> Method:
    """The model's own selector."""
    return Method(default_name(model), model.selector)


def method_of(model: Model, name: str) -> Method:
    """The method of a name, for ``model``. A ``refined-`` before a name: what it keeps enters as
    CS2 refines it. Raises SettingInvalid for a name that is not there, and for a method that needs
    weights the model does not have."""
    entry = METHODS.get(name.removeprefix(REFINED))
    if entry is None:
        raise SettingInvalid(
            f"no selector is called {name!r}: there are {', '.join(METHODS)}, and each with "
            f"{REFINED!r} before its name"
        )
    selector = entry.build(model)
    if name.startswith(REFINED):
        selector = RefinedStates(selector, _cs2(model))
    return Method(name, selector, entry.policy, entry.attention)


def available(model: Model) -> dict[str, str]:
    """The names that ``model`` has all weights for, and what is said of each."""
    usable = {}
    for name, entry in METHODS.items():
        try:
            entry.build(model)
        except SettingInvalid:
            continue
        usable[name] = entry.says
    return usable


def _cs2(model: Model) -> Selector:
    if model.cs2 is None:
        raise SettingInvalid(
            f"{model.name} has no CS2 weights, which this selector needs: give some with --sieve "
            f"DIR, or take a selector without training ({TRAINING_FREE!r}, for one)"
        )
    return CS2Selector(model.cs2)


def _omnisift(model: Model) -> Selector:
    if model.directory is None or not (model.directory / OMNISIFT_FILE).is_file():
        raise SettingInvalid(
            f"OmniSIFT is trained, and {model.name} has no {OMNISIFT_FILE} beside its weights: "
            "train one, or take another selector"
        )
    width = model.backbone.text_config.hidden_size
    scorer = AudioScorer.load(model.directory, width)
    return OmniSIFT(scorer.to(model.backbone.device, model.backbone.dtype))


PRUNERS: dict[str, Pruner] = {
    "fastv": FastV(),
    "pyramiddrop": PyramidDrop(),
    "fastav": FastAV(),
    "seats": SEATS(),
}
"""Methods that drop tokens inside the LLM, in the form they were published in (``sieve.prune``)."""


def _in_llm(name: str) -> Callable[[Model], Selector]:
    return lambda model: InLLM(PRUNERS[name], model.backbone)


METHODS: dict[str, Entry] = {
    "cs2": Entry(_cs2, "the sieve: read jointly, keep the best in refined states"),
    "cs2-raw": Entry(lambda model: RawStates(_cs2(model)), "CS2 chooses, raw embeddings enter"),
    "cs2-per-modality": Entry(
        lambda model: PerModality(_cs2(model)), "CS2 scores, a fixed share for each modality"
    ),
    "keep-all": Entry(lambda _: KeepAll(), "every token, whatever the retention"),
    "recent": Entry(
        lambda _: Recent(), "every token enters, the oldest leave: recent-N", RecentFirst()
    ),
    "random": Entry(lambda _: RandomTokens(), "random tokens"),
    "uniform": Entry(lambda _: Uniform(), "evenly spaced tokens"),
    "similarity": Entry(lambda _: Similarity(), "tokens least like the others of their modality"),
    "dtd": Entry(lambda _: DTD(), "what changed since the frame or sound before (TimeChat-Online)"),
    "intra-modal": Entry(
        lambda _: IntraModal(), "each modality by its own encoder's attention", attention=True
    ),
    "omnizip": Entry(lambda _: OmniZip(), "sound first, it guides the pictures", attention=True),
    "omnisift": Entry(_omnisift, "pictures prune themselves and choose the sound (trained)"),
    "fastv": Entry(_in_llm("fastv"), "the attention of the last text token in layer 2"),
    "pyramiddrop": Entry(_in_llm("pyramiddrop"), "the same at three depths, ever fewer"),
    "fastav": Entry(_in_llm("fastav"), "attention rolled out through half of the layers"),
    "seats": Entry(
        _in_llm("seats"), "diversity before the LLM, relevance inside it", attention=True
    ),
}
