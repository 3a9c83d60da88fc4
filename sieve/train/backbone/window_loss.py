"""The streaming forward with gradients: windows -> sieve -> memory -> question -> answer.

The same computation as ``sieve.Engine``'s, one clip at a time: each closed window is sieved without
knowing the question and goes into the memory; an open one is sieved with the question and lives
beside it. Logits equal the engine's (``tests/sieve/train/backbone/test_window_loss.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from sieve.cs2 import kept_count, top_k
from sieve.model import Model
from sieve.policy import Policy, ScoreWithAge
from sieve.select import Selection, Selector, Text
from sieve.train.backbone.competition import Replay, replay
from sieve.train.backbone.viewing import Viewing, text_after
from sieve.train.estimators import Estimator


class Memory:
    """Keys and values of a clip as the decoder read it, with the graph that made them."""

    def __init__(self, played: Replay, columns: Tensor) -> None:
        self.newest_id = played.newest_id
        self.columns = columns[played.remembered]  # [m]: token of the clip, -1 of the prompt
        self._remembered = played.remembered
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    def __len__(self) -> int:
        """Tokens that a question sees, the prompt's included."""
        return len(self._remembered)

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """Takes what the whole sequence has [1, H_kv, L, D]; keeps what is remembered at last."""
        at = self._remembered.to(keys.device)
        self._layers[layer] = keys.index_select(2, at), values.index_select(2, at)
        return keys, values

    def branch(self) -> Branch:
        """A cache for one question."""
        return Branch(self._layers)


class Branch:
    """The memory, then what one question adds: for a single forward."""

    def __init__(self, layers: dict[int, tuple[Tensor, Tensor]]) -> None:
        self._layers = dict(layers)

    def update(self, keys: Tensor, values: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """keys, values [1, H_kv, n, D] -> those of memory and question [1, H_kv, m + n, D]."""
        held_keys, held_values = self._layers[layer]
        both = torch.cat([held_keys, keys], 2), torch.cat([held_values, values], 2)
        self._layers[layer] = both
        return both


@dataclass(frozen=True, slots=True)
class Choosing:
    """How tokens are kept in a step: the share of every pool, and how the loss of the answer
    reaches the scores (None: not at all, as in evaluation)."""

    retention: float
    estimator: Estimator | None = None
    generator: torch.Generator | None = None


def choose(wholes: Sequence[Selection], choosing: Choosing) -> list[Selection]:
    """Of pools with all their tokens: the best of each. What is kept carries its gate. The soft
    side of a gate is taken over all pools together, so that scores compare across windows."""
    if not wholes:
        return []
    estimator = choosing.estimator
    explored = [
        whole.scores if estimator is None else estimator.explore(whole.scores, choosing.generator)
        for whole in wholes
    ]
    keeps = [top_k(s.detach(), kept_count(choosing.retention, len(s))) for s in explored]
    chosen = [
        replace(whole, keep=keep, states=whole.states[keep], scores=scores)
        for whole, keep, scores in zip(wholes, keeps, explored, strict=True)
    ]
    return chosen if estimator is None else gated(chosen, estimator)


def gated(chosen: Sequence[Selection], estimator: Estimator) -> list[Selection]:
    """The same selections; the loss of what reads their states reaches their scores."""
    kept = [
        torch.zeros_like(s.scores, dtype=torch.bool).index_fill(0, s.keep, True) for s in chosen
    ]
    gates = estimator.gate(torch.cat([s.scores for s in chosen]), torch.cat(kept))
    by_pool = gates.split([len(s.scores) for s in chosen])
    return [
        replace(s, states=s.states * gate[s.keep][:, None].to(s.states.dtype))
        for s, gate in zip(chosen, by_pool, strict=True)
    ]


def remember(
    model: Model,
    viewing: Viewing,
    chosen: Sequence[Selection],
    slots: int | None = None,
    policy: Policy | None = None,
) -> Memory:
    """The decoder over prompt and chosen tokens, which compete for ``slots`` slots, the prompt's
    included (None: there is room for all)."""
    everything = len(viewing.prompt) + sum(len(selection.keep) for selection in chosen)
    played = replay(
        viewing, chosen, slots or everything, model.layout.horizon_ids, policy or ScoreWithAge()
    )
    embeds, positions = _sequence(model, viewing, played)
    memory = Memory(played, _columns(viewing, played))
    length = len(embeds)
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    plain = bool(torch.equal(played.visible, causal))  # needs no mask: a faster kernel
    mask = None if plain else played.visible[None, None].to(embeds.device)
    model.backbone.read(embeds, positions, memory, mask)
    return memory


def _sequence(model: Model, viewing: Viewing, played: Replay) -> tuple[Tensor, Tensor]:
    """Embeddings [L, d] and positions [3, L] of all blocks."""
    embeds, positions = [], []
    for block in played.blocks:
        if block.window is None or block.selection is None:
            text = viewing.before(block.prompt_end_id)
            embeds.append(_prompt_states(model, text))
            positions.append(text.positions)
        else:
            embeds.append(block.selection.states)
            pool = viewing.pools[block.window]
            positions.append(pool.positions[:, block.selection.keep.cpu()])
    dtype = model.backbone.dtype
    return torch.cat([part.to(dtype) for part in embeds]), torch.cat(positions, 1)


def _columns(viewing: Viewing, played: Replay) -> Tensor:
    """int64 [L]: which of the clip's tokens each of the sequence is; -1 of the prompt's."""
    sizes = [len(pool) for pool in viewing.pools]
    prompt = torch.full((len(viewing.prompt),), -1)
    parts = [
        prompt
        if block.window is None or block.selection is None
        else block.selection.keep.cpu() + sum(sizes[: block.window])
        for block in played.blocks
    ]
    return torch.cat(parts)


def _prompt_states(model: Model, text: Text) -> Tensor:
    if model.cs2 is None or model.layout.text_states == "raw":
        return text.embeds
    states, _ = model.cs2(text.embeds[None], text.positions[:, None].to(text.embeds.device))
    return states[0]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question before a memory: ``look`` is what is kept of the open window, having read the
    question (None: no window is open); ``text`` the question in the states the decoder reads."""

    look: Selection | None
    text: Text
    scores: Tensor | None  # [n] of the open window


def ask(
    model: Model,
    viewing: Viewing,
    memory: Memory,
    ids: Sequence[int],
    selector: Selector,
    choosing: Choosing,
) -> Asked:
    """Look at the open window with the question after it."""
    text = text_after(model, viewing, memory.newest_id, ids)
    pool = viewing.window_open
    whole = None if pool is None else viewing.sieve(selector, pool, text)
    look = None if whole is None else choose([whole], choosing)[0]
    if model.layout.text_states == "refined" and model.cs2 is not None:
        states = whole.after if whole is not None else _refined(model, viewing, text)
        assert states is not None
        text = Text(states, text.positions)
    return Asked(look, text, None if whole is None else whole.scores)


def _refined(model: Model, viewing: Viewing, text: Text) -> Tensor:
    """The question's states where there is no window to read it with."""
    assert model.cs2 is not None
    before = viewing.before(int(text.positions.min()))
    where = torch.cat([before.positions, text.positions], 1)[:, None].to(text.embeds.device)
    states, _ = model.cs2(torch.cat([before.embeds, text.embeds])[None], where)
    return states[0, len(before) :]


def answer_logits(
    model: Model, viewing: Viewing, memory: Memory, asked: Asked, answer: Sequence[int]
) -> Tensor:
    """float32 [m, V]: for every token of ``answer`` [m] what was expected before it was read."""
    said = model.backbone.embed(torch.tensor(answer[:-1], dtype=torch.long))
    first = int(asked.text.positions.max()) + 1
    where = torch.arange(first, first + len(said)).expand(3, -1)
    embeds, positions = [asked.text.embeds, said], [asked.text.positions, where]
    pool = viewing.window_open
    if asked.look is not None and pool is not None:
        embeds.insert(0, asked.look.states)
        positions.insert(0, pool.positions[:, asked.look.keep.cpu()])
    dtype = model.backbone.dtype
    new = torch.cat([part.to(dtype) for part in embeds])
    seen = torch.ones(len(new), len(memory), dtype=torch.bool)
    own = torch.ones(len(new), len(new), dtype=torch.bool).tril()
    mask = torch.cat([seen, own], 1)[None, None].to(new.device)
    hidden = model.backbone.read(new, torch.cat(positions, 1), memory.branch(), mask)
    return model.backbone.logits(hidden[-len(answer) :])


# -- what is learned --------------------------------------------------------------------------


def answer_loss(logits: Tensor, answer: Sequence[int]) -> Tensor:
    """Mean cross-entropy of the answer's tokens [m]."""
    return F.cross_entropy(logits, torch.tensor(answer, device=logits.device))


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a teacher expected at each of m places: its K likeliest tokens [m, K] (int64) with their
    log-probabilities [m, K] (float32)."""

    tokens: Tensor
    logprobs: Tensor

    @classmethod
    def of(cls, logits: Tensor, count: int) -> Expectation:
        best = logits.log_softmax(-1).topk(min(count, logits.shape[-1]), -1)
        return cls(best.indices.cpu(), best.values.float().cpu())


_SMALLEST = 1e-6


def expectation_loss(logits: Tensor, expected: Expectation) -> Tensor:
    """Mean KL(teacher || student) over m places; all tokens but the teacher's K likeliest count as
    one."""
    tokens = expected.tokens.to(logits.device)
    teacher = expected.logprobs.to(logits.device).exp()
    student = logits.log_softmax(-1).gather(1, tokens).exp()
    teacher, student = _with_rest(teacher), _with_rest(student)
    return (teacher * (teacher.log() - student.log())).sum(-1).mean()


def _with_rest(shares: Tensor) -> Tensor:
    """[m, K] -> [m, K + 1]: with what all others have."""
    rest = (1 - shares.sum(-1, keepdim=True)).clamp(min=_SMALLEST)
    return torch.cat([shares.clamp(min=_SMALLEST), rest], -1)


def saliency_loss(scores: Tensor, wanted: Tensor) -> Tensor:
    """KL(wanted || softmax of scores), both [n] over all tokens of a clip: a warm start for scores
    where the estimator alone has nothing to begin with. ``wanted`` sums to 1."""
    wanted = wanted.to(scores.device)
    return (torch.special.xlogy(wanted, wanted) - wanted * scores.log_softmax(0)).sum()
