"""Questions about what was there, when and together with what."""

from __future__ import annotations

import numpy as np

from stream.world.questions.question import Question, kind, one_of, pick
from stream.world.questions.span import Heard, Sighting, Span
from stream.world.segment import COLOURS, OBJECTS, SHAPES, SOUNDS


def absent_sound(span: Span, rng: np.random.Generator) -> str | None:
    absent = [name for name in SOUNDS if name not in span.audible]
    return pick(absent, rng) if absent else None


def absent_thing(span: Span, rng: np.random.Generator) -> str | None:
    """The name of a thing that is not there, mostly made of a colour and a shape that are; ``None``
    where everything is."""
    present = {thing.name for thing in span.visible}
    colours = [thing.colour for thing in span.seen] or list(COLOURS)
    shapes = [thing.shape for thing in span.seen] or list(SHAPES)
    mixed = [f"{c} {s}" for c in colours for s in shapes if f"{c} {s}" not in present]
    near = [o for o in OBJECTS if o not in present and set(o.split()) & {*colours, *shapes}]
    if mixed and rng.random() < 0.5:
        return pick(mixed, rng)
    absent = near or [o for o in OBJECTS if o not in present]
    return pick(absent, rng) if absent else None


@kind("video")
def ask_now(span: Span, rng: np.random.Generator) -> Question | None:
    if span.now is None:
        return None
    text = pick(["what is visible now?", "what do you see now?"], rng)
    return Question("now", text, span.now.picture, one_of(len(span.shown)), span.within(span.now))


@kind("video")
def ask_first(span: Span, rng: np.random.Generator) -> Question | None:
    if span.first is None:
        return None
    text = pick(["what was visible first?", "what did you see first?"], rng)
    return Question(
        "first", text, span.first.picture, one_of(len(span.shown)), span.within(span.first)
    )


@kind("both")
def ask_during(span: Span, rng: np.random.Generator) -> Question | None:
    bound = [h for h in span.heard if h.segment in span.shown and len(h.segment.things) <= 1]
    absent = absent_sound(span, rng)
    if absent and (not bound or rng.random() < 0.15):
        sound, answer, evidence_s = absent, "none", span.whole_s
    elif bound:
        chosen = pick(bound, rng)
        sound, answer, evidence_s = chosen.name, chosen.segment.picture, span.within(chosen.sound)
        if span.audible.count(sound) > 1:
            return None
    else:
        return None
    forms = [f"what was visible during the {sound}?", f"what did you see when the {sound} sounded?"]
    return Question("during", pick(forms, rng), answer, one_of(len(span.shown)), evidence_s)


@kind("both")
def ask_sound_of(span: Span, rng: np.random.Generator) -> Question | None:
    known = [s for s in span.single if len(s.segment.sounds) <= 1 and _all_heard(s, span)]
    loud = [s for s in known if s.segment.sound]
    silent = [s for s in known if not s.segment.sound]
    if not loud and not silent:
        return None
    chosen = pick(loud if loud and (not silent or rng.random() < 0.65) else silent, rng)
    chance = max(0.65 / len(loud), 0.35) if loud and silent else one_of(len(loud))
    name, sound = chosen.name, chosen.segment.sound
    forms = [f"what sound came with the {name}?", f"what did you hear during the {name}?"]
    answer = sound.name if sound else "none"
    evidence_s = span.within(sound or chosen.segment)
    return Question("sound_of", pick(forms, rng), answer, chance, evidence_s)


def _all_heard(sighting: Sighting, span: Span) -> bool:
    segment = sighting.segment
    return all(Heard(sound, segment) in span.heard for sound in segment.sounds)


@kind("video")
def ask_order(span: Span, rng: np.random.Generator) -> Question | None:
    single = span.single
    if len(single) < 2:
        return None
    i, j = rng.choice(len(single), 2, replace=False)
    a, b = single[int(i)], single[int(j)]
    if a.segment == b.segment:
        return None
    forms = [
        f"which came first, the {a.name} or the {b.name}?",
        f"which was visible earlier, the {a.name} or the {b.name}?",
    ]
    earlier = min(a, b, key=lambda s: s.segment.start_s)
    evidence_s = span.within(a.segment, b.segment)
    return Question("order", pick(forms, rng), earlier.name, 0.5, evidence_s)


@kind("video")
def ask_digit(span: Span, rng: np.random.Generator) -> Question | None:
    if not span.symbols_clear:
        return None
    answer, evidence_s = "none", span.whole_s
    for holder in span.symbols:
        assert holder.symbol is not None
        answer, evidence_s = holder.symbol.digit, span.within(holder)
    text = pick(["what digit appeared?", "which digit did you see?"], rng)
    return Question("digit", text, answer, 1 / 11, evidence_s)


@kind("audio")
def ask_count(span: Span, rng: np.random.Generator) -> Question | None:
    if span.muddled:
        return None
    text = pick(["how many sounds were there?", "how many sounds did you hear?"], rng)
    most = max(len(span.shown) + len(span.glimpsed), len(span.heard))
    return Question("count", text, str(len(span.heard)), one_of(most + 1), span.whole_s)


@kind("audio")
def ask_any(span: Span, rng: np.random.Generator) -> Question | None:
    if span.muddled and not span.heard:
        return None
    text = pick(["was there any sound?", "did you hear any sound?"], rng)
    evidence_s = span.within(*(h.sound for h in span.heard)) if span.heard else span.whole_s
    return Question("any", text, "yes" if span.heard else "no", 0.5, evidence_s)


@kind("audio")
def ask_first_sound(span: Span, rng: np.random.Generator) -> Question | None:
    if span.muddled:
        return None
    text = pick(["what was the first sound?", "what did you hear first?"], rng)
    answer = span.heard[0].name if span.heard else "none"
    evidence_s = span.within(span.heard[0].sound) if span.heard else span.whole_s
    return Question("first_sound", text, answer, one_of(len(span.heard)), evidence_s)


@kind("audio")
def ask_last_sound(span: Span, rng: np.random.Generator) -> Question | None:
    if span.muddled:
        return None
    text = pick(["what was the last sound?", "what did you hear last?"], rng)
    answer = span.heard[-1].name if span.heard else "none"
    evidence_s = span.within(span.heard[-1].sound) if span.heard else span.whole_s
    return Question("last_sound", text, answer, one_of(len(span.heard)), evidence_s)


@kind("video")
def ask_exists(span: Span, rng: np.random.Generator) -> Question | None:
    if not span.seen:
        return None
    there = rng.random() < 0.5
    name = pick(span.seen, rng).name if there else absent_thing(span, rng)
    if name is None:
        return None
    text = pick([f"was there a {name}?", f"did you see a {name}?"], rng)
    holders = [s for s in span.shown if any(t.name == name for t in s.things)]
    evidence_s = span.within(holders[-1]) if there else span.whole_s
    return Question("exists", text, "yes" if there else "no", 0.5, evidence_s)


@kind("video")
def ask_with_symbol(span: Span, rng: np.random.Generator) -> Question | None:
    if not span.symbols_clear or (not span.symbols and rng.random() < 0.7):
        return None
    answer, evidence_s = "none", span.whole_s
    for holder in span.symbols:
        if len(holder.things) > 1:
            return None
        answer, evidence_s = holder.picture, span.within(holder)
    forms = ["what was visible with the digit?", "what did you see with the digit?"]
    return Question("with_symbol", pick(forms, rng), answer, one_of(len(span.shown)), evidence_s)


@kind("video")
def ask_after(span: Span, rng: np.random.Generator) -> Question | None:
    single = span.single
    newest = [s for s in single if s.segment == span.now]
    if newest and rng.random() < 0.15:
        sighting, answer = newest[0], "none"
        evidence_s = span.within(sighting.segment)
    else:
        pairs = [
            (a, b) for a in single for b in span.shown if b.index == a.segment.index + 1 and b.thing
        ]
        if not pairs:
            return None
        sighting, following = pick(pairs, rng)
        answer = following.picture
        evidence_s = span.within(sighting.segment, following)
    name = sighting.name
    forms = [f"what came after the {name}?", f"what did you see after the {name}?"]
    return Question("after", pick(forms, rng), answer, one_of(len(span.shown) - 1), evidence_s)


@kind("audio")
def ask_heard(span: Span, rng: np.random.Generator) -> Question | None:
    absent = absent_sound(span, rng)
    there = bool(span.heard) and (absent is None or rng.random() < 0.5)
    evidence_s = span.whole_s
    name = absent
    if there:
        chosen = pick(span.heard, rng)
        name, evidence_s = chosen.name, span.within(chosen.sound)
    if name is None:
        return None
    text = pick([f"was there a {name}?", f"did you hear a {name}?"], rng)
    return Question("heard", text, "yes" if there else "no", 0.5, evidence_s)


@kind("video")
def ask_which(span: Span, rng: np.random.Generator) -> Question | None:
    if not span.seen:
        return None
    thing = pick(span.seen, rng)
    word = thing.colour if rng.random() < 0.5 else thing.shape
    if sum(word in (t.colour, t.shape) for t in span.visible) > 1:
        return None
    what = "thing" if word in COLOURS else ""
    name = f"{word} {what}".strip()
    text = pick([f"which {name} was there?", f"which {name} did you see?"], rng)
    holder = next(s for s in span.shown if thing in s.things)
    return Question("which", text, thing.name, one_of(len(span.shown)), span.within(holder))


@kind("video")
def ask_symbol_of(span: Span, rng: np.random.Generator) -> Question | None:
    if not span.symbols_clear or not span.symbols:
        return None
    single, holder = span.single, span.symbols[0]
    assert holder.symbol is not None
    beside = [s for s in single if s.segment == holder]
    anyone = [s for s in single if s.segment == holder or not s.segment.symbol]
    among = anyone if anyone and rng.random() < 0.35 else beside
    if not among:
        return None
    sighting = pick(among, rng)
    name = sighting.name
    forms = [f"what digit came with the {name}?", f"which digit was beside the {name}?"]
    answer = holder.symbol.digit if sighting in beside else "none"
    return Question("symbol_of", pick(forms, rng), answer, 0.5, span.within(sighting.segment))
