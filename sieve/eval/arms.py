"""Arms: what is compared. An arm is the model under evaluation with one thing changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from sieve.baselines import RandomTokens, Recent, RefinedStates
from sieve.cs2 import CS2
from sieve.errors import SettingInvalid
from sieve.eval.ablations import (
    Masked,
    WithoutQuestion,
    WithoutText,
    own_modality,
    the_past,
)
from sieve.eval.case import Case, Oracle, Tracks
from sieve.eval.offline import Arrange, compacted, in_place, shuffled
from sieve.eval.outcomes import Mode
from sieve.faults import faults
from sieve.model import Model
from sieve.policy import FixedShare, Policy, RecentFirst, ScoreWithAge, ShareByAge
from sieve.prune import Pruner
from sieve.select import CS2Selector, Method, Selector
from sieve.selectors import METHODS, PRUNERS, REFINED, default_method, method_of

Build = Callable[[Model, Case], Method]
Group = Literal["control", "method", "ablation", "memory", "trained"]
GROUPS: tuple[Group, ...] = get_args(Group)
HORIZON_IDS, ENDLESS_IDS = 32_000, 10**12
EVERY_WINDOW = 10_000
EVERYTHING_AGAIN = "look back over everything"


@dataclass(frozen=True, slots=True)
class Budget:
    """``retention``: of each pool; ``slots``: of the memory, 0 for as many as the case needs."""

    retention: float
    slots: int = 0

    @property
    def name(self) -> str:
        share = f"{100 * self.retention:g} %"
        return f"{share}, {self.slots} slots" if self.slots else share

    @staticmethod
    def named(name: str) -> Budget:
        share, _, slots = name.partition(" %")
        return Budget(float(share) / 100, int(slots[2:].partition(" ")[0] or 0))


class Spent(NamedTuple):
    """What a budget comes to in a case: the retention, and the slots for the stream's tokens."""

    retention: float
    slots: int


Spend = Callable[[Budget, int], Spent]
"""A budget and the tokens of the whole case -> how it is spent."""


def on_the_best(budget: Budget, tokens: int) -> Spent:
    """A share of each window; by default the memory holds all that is kept."""
    return Spent(budget.retention, budget.slots or tokens)


def on_the_newest(budget: Budget, tokens: int) -> Spent:
    """As many tokens, but all of the newest windows: recent-N at equal bytes."""
    return Spent(1.0, budget.slots or round(budget.retention * tokens))


def on_four_frames(budget: Budget, tokens: int) -> Spent:
    """All of the last two seconds, whatever the budget: four frames and their sound."""
    return Spent(1.0, 68)


def own(model: Model, case: Case) -> Method:
    """The model's own selector."""
    return default_method(model)


def named(name: str) -> Build:
    """A method of ``sieve.selectors``."""
    return lambda model, case: method_of(model, name)


def drawn(name: str) -> Build:
    """Random tokens, others in every case, in the states that ``name`` stands for."""

    def build(model: Model, case: Case) -> Method:
        tokens = RandomTokens(case.stream.scene.seed)
        refined = name.startswith(REFINED)
        return replace(
            method_of(model, name), selector=_refined(model, tokens) if refined else tokens
        )

    return build


def oracle(model: Model, case: Case) -> Method:
    return Method("oracle", _refined(model, Oracle(case)))


def newest(model: Model, case: Case) -> Method:
    """All tokens, of which the oldest leave; in the states that the decoder was trained on."""
    return Method("recent", _refined(model, Recent()), RecentFirst())


def ablated(name: str, build: Callable[[CS2], Selector]) -> Build:
    """CS2 with one thing taken away."""
    return lambda model, case: Method(name, build(_cs2(model)))


def _refined(model: Model, chooser: Selector) -> Selector:
    """In the states the decoder was trained on, where there are any."""
    return chooser if model.cs2 is None else RefinedStates(chooser, CS2Selector(model.cs2))


def _cs2(model: Model) -> CS2:
    if model.cs2 is None:
        raise SettingInvalid(f"{model.name} has no CS2 weights: its ablations cannot be run")
    return model.cs2


def _refine_without_text(cs2: CS2) -> Selector:
    return RefinedStates(CS2Selector(cs2), WithoutText(CS2Selector(cs2)))


def _choose_without_text(cs2: CS2) -> Selector:
    return RefinedStates(WithoutText(CS2Selector(cs2)), CS2Selector(cs2))


@dataclass(frozen=True, slots=True)
class Arm:
    """One line of every table.

    ``full``: all tokens, so that budgets below 100 % do not apply (and the others' 100 % does not).
    ``model``: a directory, where it is not the model under evaluation. ``horizon_ids``: oldest to
    newest token in the memory, where it is not the model's own. ``pruner``: drops tokens inside
    the LLM instead of before it; of a budget below its floor there is no outcome. ``opened``:
    whether a question also reads the window that is still open, sieved with the question as text.
    """

    name: str
    about: str
    group: Group
    build: Build = own
    policy: Policy | None = None
    tracks: Tracks = "both"
    spend: Spend = on_the_best
    full: bool = False
    modes: tuple[Mode, ...] = ("streamed", "offline")
    look_back: int = 0
    opened: bool = True
    arrange: Arrange = in_place
    horizon_ids: int | None = None
    pruner: Pruner | None = None
    model: str | None = None

    def applies(self, budget: Budget, mode: Mode) -> bool:
        return self.full == (budget.retention == 1.0) and mode in self.modes

    def method(self, model: Model, case: Case) -> Method:
        method = self.build(model, case)
        return method if self.policy is None else replace(method, policy=self.policy)

    def changed(self, model: Model) -> Model:
        """The model as this arm lays out its streams."""
        if self.horizon_ids is None:
            return model
        return replace(model, layout=replace(model.layout, horizon_ids=self.horizon_ids))


LIVE: tuple[Mode, ...] = ("streamed",)
WHOLE: tuple[Mode, ...] = ("offline",)

CONTROLS = (
    Arm("full", "all tokens, through the sieve where there is one", "control", full=True),
    Arm("keep-all", "all tokens, raw", "control", named("keep-all"), full=True),
    Arm("blind", "neither pictures nor sound", "control", tracks="none", full=True),
    Arm("audio only", "no pictures", "control", tracks="audio", full=True),
    Arm("video only", "no sound", "control", tracks="video", full=True),
    Arm("sieve", "the model's own selector", "control"),
    Arm("oracle", "keeps by the world's truth, not knowing the question", "control", oracle),
    Arm(
        "recent-N",
        "all tokens of the newest windows, at equal bytes",
        "control",
        newest,
        spend=on_the_newest,
        modes=LIVE,
    ),
    Arm(
        "recent-4-frames",
        "all tokens of the last two seconds",
        "control",
        newest,
        spend=on_four_frames,
        modes=LIVE,
    ),
)

ABLATIONS = (
    Arm("raw-embedding output", "CS2 chooses, raw embeddings enter", "ablation", named("cs2-raw")),
    Arm(
        "causal refiner",
        "the refiner sees the past only",
        "ablation",
        ablated("causal refiner", lambda cs2: Masked(cs2, the_past)),
    ),
    Arm(
        "intra-modal attention",
        "pictures and sound do not see each other in the refiner",
        "ablation",
        ablated("intra-modal attention", lambda cs2: Masked(cs2, own_modality)),
    ),
    Arm(
        "without text",
        "the refiner reads no text",
        "ablation",
        ablated("without text", lambda cs2: WithoutText(CS2Selector(cs2))),
    ),
    Arm(
        "selection without text",
        "scores without text, states with it",
        "ablation",
        ablated("selection without text", _choose_without_text),
    ),
    Arm(
        "absorption without text",
        "scores with text, states without it",
        "ablation",
        ablated("absorption without text", _refine_without_text),
    ),
    Arm(
        "question-blind",
        "the refiner reads the instruction and not the question",
        "ablation",
        ablated("question-blind", lambda cs2: WithoutQuestion(CS2Selector(cs2))),
    ),
    Arm(
        "per-modality top-k",
        "a fixed share for each modality",
        "ablation",
        named("cs2-per-modality"),
    ),
    Arm(
        "look back 2",
        "two closed windows are sieved again with the question",
        "ablation",
        look_back=2,
        modes=LIVE,
    ),
    Arm(
        EVERYTHING_AGAIN,
        "every window is sieved again, with the question as text",
        "ablation",
        look_back=EVERY_WINDOW,
        modes=LIVE,
    ),
    Arm(
        "second look off",
        "the window that is open when the question comes is not read",
        "ablation",
        opened=False,
        modes=LIVE,
    ),
    Arm("compacted positions", "gaps of time closed", "ablation", arrange=compacted, modes=WHOLE),
    Arm("shuffled order", "kept tokens in random order", "ablation", arrange=shuffled, modes=WHOLE),
)


def _ageing(name: str, about: str, policy: Policy) -> Arm:
    """The sieve's tokens, with another way of forgetting; within the backbone's horizon, whatever
    the model was taught to remember."""
    return Arm(name, about, "memory", policy=policy, modes=LIVE, horizon_ids=HORIZON_IDS)


MEMORY = (
    _ageing("score with age", "the default: scores fade, traces stay", ScoreWithAge()),
    _ageing("half the fading", "scores fade half as fast", ScoreWithAge(0.025)),
    _ageing("twice the fading", "scores fade twice as fast", ScoreWithAge(0.1)),
    _ageing("half traces", "up to half of the memory are traces", ScoreWithAge(trace_share=0.5)),
    _ageing("no traces", "scores fade, nothing stays for its window's sake", ScoreWithAge(floor=0)),
    _ageing("no fading", "the lowest score leaves, traces stay", ScoreWithAge(0.0)),
    _ageing("score alone", "the lowest score leaves", ScoreWithAge(0.0, 0)),
    _ageing("recent first", "the oldest leaves", RecentFirst()),
    _ageing("fixed share", "the same share for every window", FixedShare()),
    _ageing("share by age", "the same share for every octave of age", ShareByAge()),
    _ageing(
        "share by age, from 16 s",
        "the same, the newest octave four times as long",
        ShareByAge(16.0),
    ),
    Arm(
        "newest windows whole",
        "all tokens, the oldest leave: recent-N at equal bytes",
        "memory",
        newest,
        spend=on_the_newest,
        modes=LIVE,
        horizon_ids=HORIZON_IDS,
    ),
    Arm("as shipped", "the model's own horizon and policy", "memory", modes=LIVE),
    Arm(
        "no horizon",
        "nothing leaves for its age alone",
        "memory",
        modes=LIVE,
        horizon_ids=ENDLESS_IDS,
    ),
)
METHOD_ARMS = tuple(
    Arm(
        name,
        METHODS[name.removeprefix(REFINED)].says,
        "method",
        drawn(name) if base == "random" else named(name),
    )
    for base in METHODS
    if not base.startswith(("cs2", "keep-all", "recent"))
    for name in (base, REFINED + base)
)
AS_PUBLISHED = tuple(
    Arm(
        f"{name}, as published",
        METHODS[name].says,
        "method",
        modes=WHOLE,
        pruner=pruner,
        build=named(name),
    )
    for name, pruner in PRUNERS.items()
)
_ALL = (*CONTROLS, *METHOD_ARMS, *AS_PUBLISHED, *ABLATIONS, *MEMORY)
ARMS = {arm.name: arm for arm in _ALL}
assert len(ARMS) == len(_ALL), "two arms of one name"


def arms_of(wanted: Iterable[str], trained: Sequence[Arm] = ()) -> list[Arm]:
    """Arms by name or by group, each once; a group may be empty (``trained``, where none are
    given). Raises SettingInvalid for what is neither."""
    known = ARMS | {arm.name: arm for arm in trained}
    chosen: dict[str, Arm] = {}
    for name in wanted:
        found = [arm for arm in known.values() if name in (arm.name, arm.group)]
        if not found and name not in GROUPS:
            raise SettingInvalid(
                f"no arm or group of arms is called {name!r}: there are the groups "
                f"{', '.join(GROUPS)} and the arms {', '.join(known)}"
            )
        chosen |= {arm.name: arm for arm in found}
    return list(chosen.values())


class Trained(BaseModel):
    """A model that was trained as an ablation: its directory, beside the file that names it, and
    the arm that says what is switched off at use as well."""

    name: str
    model: str
    arm: str = "sieve"
    about: str = ""


def trained_arms(path: Path) -> list[Arm]:
    """The models that a JSON file lists. Raises SettingInvalid."""
    try:
        lines = TypeAdapter(list[Trained]).validate_json(path.read_bytes())
    except OSError as error:
        raise SettingInvalid(
            f"--trained: {path} cannot be read ({error.strerror}): give the trained.json that "
            "stands beside the models of `make study`"
        ) from None
    except ValidationError as error:
        why = faults(error, "it")
        raise SettingInvalid(f"{path} is no list of trained models: {why}") from None
    return [_trained(line, path) for line in lines]


def _trained(line: Trained, path: Path) -> Arm:
    (base,) = arms_of([line.arm])
    model = str((path.parent / line.model).resolve())
    about = line.about or base.about
    return replace(base, name=line.name, about=about, group="trained", model=model)
