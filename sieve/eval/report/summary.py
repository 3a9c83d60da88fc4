"""The report in short: what was asked, what holds, what is missed. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sieve.eval.report.markdown import points
from sieve.eval.report.names import listed
from sieve.eval.report.tables import TIGHT, cells_of
from sieve.eval.report.targets import MET, MISSED, OPEN, UNMEASURED, Evidence, Target, all_targets


def summary(found: Evidence) -> str:
    """A few sentences before everything else; nothing where there are no results."""
    if not found.studies:
        return ""
    told = all_targets(found)
    parts = [_asked(found), _kept(found), _counted(told), _named(told)]
    return "## In short\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def _asked(found: Evidence) -> str:
    tasks = [told for study in found.studies.values() for told in study["tasks"].values()]
    cases = sum(told["cases"] for told in tasks)
    questions = sum(sum(told["questions"].values()) for told in tasks)
    earlier = [name for name, study in found.studies.items() if found.other(study)]
    of = f"; {listed(earlier)} with other weights" if earlier else ""
    return (
        f"**Asked.** {len(found.studies)} studies put {questions} questions about {cases} streams "
        "of the synthetic world to the built-in model, every arm of a study the same ones; things "
        "and sounds come in compositions that its training never showed, where nothing else is "
        f"said (weights {found.weights}{of})."
    )


def _kept(found: Evidence) -> str:
    """What the comparison on clips shows, in one sentence."""
    study = found.with_task("arms", task="clips")
    full = cells_of(study, "clips", "100 %").get("full") if study else None
    if study is None or full is None:
        return ""
    sieves = {budget: cells_of(study, "clips", budget).get("sieve") for budget in TIGHT}
    told = ", ".join(f"{points(c['accuracy'])} at {b}" for b, c in sieves.items() if c)
    asked, weights = study["tasks"]["clips"], found.other(study)
    model = f"the model with the weights {weights}" if weights else "the model"
    return (
        f"**Shown.** On {asked['cases']} clips of 4 to 60 s ({full['questions']} questions, "
        f"{len(asked['questions'])} kinds, seeds {', '.join(map(str, asked['seeds']))}) {model} "
        f"answers {points(full['accuracy'])} % right with all tokens; with those the sieve keeps "
        f"{told}."
    )


def _counted(told: Sequence[Target]) -> str:
    met, missed, unmeasured = (
        [target for target in told if target.status.startswith(status)]
        for status in (MET, MISSED, UNMEASURED)
    )
    unsure = sum(OPEN in target.status for target in told)
    weak = sum(target.weak for target in met)
    return (
        f"**Targets.** Of {len(told)} lines below {len(met)} are met ({weak} of these on weak "
        f"evidence), {len(missed)} missed and {len(unmeasured)} not measured; of those measured "
        f"{unsure} are left open by their intervals."
    )


def _named(told: Sequence[Target]) -> str:
    """Those that are missed, with how far."""
    missed = [
        f"{target.says} ({points(target.got)}, asked {target.goal:g})"
        for target in told
        if target.status.startswith(MISSED)
    ]
    return f"**Missed.** {'; '.join(missed)}." if missed else ""
