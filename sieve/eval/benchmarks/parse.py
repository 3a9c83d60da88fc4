"""What a model said -> the answer it gave, or None where it gave none that can be read.

None counts as wrong and is counted. An answer that names two options is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sieve.eval.benchmarks.item import Item, letter

_FIRST = re.compile(r"\W*([A-Z])(?:[.):]|\s*$)")
_IN_BRACKETS = re.compile(r"\(([A-Z])\)")
_NAMED = re.compile(
    r"\b(?i:answer|option|choice)\b(?i: is|:)*\s*\(?([A-Z]\b|[a-z](?=\W*$))"  # not "is a dog"
)
_ALONE = re.compile(r"\b([A-Z])\b(?!')")
_ARTICLE = re.compile(r"\bA\s+(?!or\b|and\b)\w")
_NUMBER = re.compile(r"\d+")
_YES_OR_NO = re.compile(r"\b(yes|no|y|n)\b", re.IGNORECASE)


def answer_of(item: Item, said: str) -> int | None:
    """An index of the options, 1 or 0 for yes or no, or a number; a moment is asked yes or no."""
    if item.kind == "choice":
        return choice(said, item.options)
    return count(said) if item.kind == "count" else yes_or_no(said)


def choice(said: str, options: Sequence[str]) -> int | None:
    """The index of the option that was named.

    By its text word for word, whatever the case (a model may answer in its own words, as the
    built-in one does, which knows no letters); else by its letter: first ("B", "B. red"), in
    brackets ("(B)"), after "answer" or "option", or as the only one that stands alone. A small
    letter counts where it is all that was said.
    """
    plain = [_plain(option) for option in options]
    if plain.count(_plain(said)) == 1:
        return plain.index(_plain(said))
    text = said.strip()
    text = text.upper() if len(text.strip("().: ")) == 1 else text
    if first := _FIRST.match(text):
        return _index(first.group(1), options)
    for pattern in (_IN_BRACKETS, _NAMED, _ALONE):
        named = {found.upper() for found in pattern.findall(text)}
        named &= {letter(i) for i in range(len(options))}
        if pattern is _ALONE and _is_article(text):
            named.discard("A")
        if len(named) == 1:
            return _index(named.pop(), options)
    return None


def yes_or_no(said: str) -> int | None:
    """1 or 0; None where neither word, or both, were said."""
    words = {word.lower()[0] for word in _YES_OR_NO.findall(said)}
    return int(words == {"y"}) if len(words) == 1 else None


def count(said: str) -> int | None:
    """The only number that was said."""
    numbers = _NUMBER.findall(said)
    return int(numbers[0]) if len(numbers) == 1 else None


def _index(said: str, options: Sequence[str]) -> int | None:
    index = ord(said) - ord("A")
    return index if index < len(options) else None


def _is_article(text: str) -> bool:
    """Whether an "A" in the text is the article: a word follows it that lists no other letter."""
    return _ARTICLE.search(text) is not None


def _plain(text: str) -> str:
    return " ".join(text.lower().strip(" .!?\n\t").split())
