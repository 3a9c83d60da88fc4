"""How a standing query is put to the model: as a question of yes or no. Pure.

A question stays as it is ("is somebody at the door?"). Anything else is a description of what is
waited for. What is asked then is

    is there a red circle now?           of a thing: "a red circle", "tell me when a red circle
                                         appears", "the buzz is heard"
    is it true now: the lid is open?     of anything else

Articles become "a" in the first form: these are the words in which the built-in model was taught to
tell what is there now (`stream/world/questions/present.py`).
"""

from __future__ import annotations

import re

_ASKING = (
    "is|are|was|were|am|do|does|did|has|have|had|can|could|will|would|should|shall|may|might|must"
)
_QUESTION = re.compile(rf"(?:{_ASKING})\b", re.IGNORECASE)
_CALL = re.compile(
    r"(?:please\s+)?(?:(?:tell|alert|notify|warn|inform|call|message)\s+(?:me|us)|watch|look|listen"
    r"|wait|let\s+me\s+know)?\s*(?:as\s+soon\s+as|when(?:ever)?|if|until|once|for|out\s+for)\s+",
    re.IGNORECASE,
)
_COMES = (
    r"appears?|shows?(?:\s+up)?|comes?(?:\s+(?:up|in|into\s+view))?|arrives?|sounds?|rings?|"
    r"(?:is|are)\s+(?:there|here|visible|seen|shown|heard|audible|present|in\s+view)|"
    r"can\s+be\s+(?:seen|heard)"
)
_THERE = re.compile(r"there\s+(?:is|are|comes?)\s+(?P<thing>.+)", re.IGNORECASE)
_PERCEIVED = re.compile(r"(?:you|i|we)\s+(?:see|hear|notice)\s+(?P<thing>.+)", re.IGNORECASE)
_THING_COMES = re.compile(rf"(?P<thing>.+?)\s+(?:{_COMES})", re.IGNORECASE)
_WITH_ARTICLE = re.compile(r"(?:an?|the|some|any)\s+\S+(?:\s+\S+){0,5}", re.IGNORECASE)
_NAME = re.compile(r"\S+(?:\s+\S+){0,2}")
_SAYS = re.compile(
    r"\b(?:is|are|was|were|has|have|does|do|[a-z]{2,}(?:[^s]s|ed|ing)(?=\s+\S))\b", re.IGNORECASE
)
_ARTICLE = re.compile(r"(?:an?|the|some|any)\s+", re.IGNORECASE)
_COUNTING = re.compile(r"how\s+(?:many|often|much)\b", re.IGNORECASE)
_TO_COUNT = re.compile(r"^(?:please\s+)?(?:count\s+)?(?:all\s+)?(?:the\s+)?", re.IGNORECASE)
_NOW = re.compile(r"\s+(?:right\s+)?now$", re.IGNORECASE)


def as_question(query: str) -> str:
    """The question that is put for ``query``, which holds some text."""
    text = " ".join(query.split())
    if text.endswith("?"):
        return text
    if _QUESTION.match(text):
        return f"{text.rstrip('.! ')}?"
    said = _NOW.sub("", _CALL.sub("", text, count=1).rstrip(".! "))
    thing = _thing(said)
    if thing is None:
        return f"is it true now: {said}?"
    return f"is there {_article(thing)} now?"


def _thing(said: str) -> str | None:
    """The thing that is to be there, where the text names one and nothing else."""
    for form in (_THERE, _PERCEIVED, _THING_COMES):
        if found := form.fullmatch(said):
            return found["thing"]
    if _SAYS.search(said):
        return None
    plain = _WITH_ARTICLE.fullmatch(said) or _NAME.fullmatch(said)
    return said if plain else None


def _article(thing: str) -> str:
    """With "a" or "an", which the built-in model always heard."""
    bare = _ARTICLE.sub("", thing, count=1)
    return f"{'an' if bare[:1].lower() in 'aeio' else 'a'} {bare}"


def as_count(query: str) -> str:
    """The question for a number: "red things" becomes "how many red things were there?"."""
    text = " ".join(query.split())
    if text.endswith("?"):
        return text
    if _COUNTING.match(text):
        return f"{text.rstrip('.! ')}?"
    return f"how many {_TO_COUNT.sub('', text).rstrip('.! ')} were there?"
