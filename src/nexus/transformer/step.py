"""What goes into a step of the Nexus and what comes out: its state, what it read, what it wrote, its losses.

Knows shapes; knows no parameter. Invariant: a state's size is bounded, whatever the length of its stream.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nexus.transformer.backbone import WindowCache
from nexus.transformer.gates import NEVER, Context, Gate
from nexus.transformer.names import Names
from nexus.transformer.pointer import Runs
from nexus.transformer.recollection import Named
from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.tape import Tape
from nexus.transformer.rsm.writes import Writes
from nexus.transformer.semantic import SemanticRead


@dataclass(frozen=True)
class Tapes:
    """The memories of a state while it is trained: `meanings` only where the model has that lane."""

    entries: Tape
    meanings: Tape | None = None

    @classmethod
    def of(cls, state: State) -> Tapes:
        """Of the memories that a state holds."""
        return cls(Tape(state.entries), None if state.meanings is None else Tape(state.meanings))

    def cut(self) -> None:
        """Forget the history of both."""
        self.entries.cut()
        if self.meanings is not None:
            self.meanings.cut()


@dataclass(frozen=True)
class State:
    """All that a stream leaves behind, of bounded size.

    position: tokens seen of each of the B streams. window: keys and values of the last tokens. entries: the
    memory as the chunk found it. tokens: int64 [B, lead + n], the n tokens of the chunk so far and the `lead`
    before them, NOTHING before the first. hidden: float [B, 1 + n, d], theirs and that of the token before,
    normalised. meanings: the entries of the semantic lane; None where the model has none.
    """

    position: int
    window: WindowCache | None
    entries: Entries
    tokens: Tensor
    hidden: Tensor
    meanings: Entries | None = None

    def bytes(self) -> int:
        """What its tensors take."""
        window = 0 if self.window is None else self.window.bytes()
        meanings = 0 if self.meanings is None else self.meanings.bytes()
        return window + self.entries.bytes() + meanings + self.tokens.nbytes + self.hidden.nbytes


@dataclass(frozen=True)
class Read:
    """What the memory gave at T positions; the facts of a run's entry are 0 where there is no run."""

    value: Tensor  # float [B, T, v]: of the longest n-gram that ends here and has an entry
    there: Tensor  # bool [B, T]: there is one
    run: Runs
    order: Tensor  # int64 [B, T]: of the run's n-gram
    place: Tensor  # int64 [B, T]: of the run's payload token 0 in the stream
    priority: Tensor  # float [B, T]: of the run's entry
    age: Tensor  # int64 [B, T]: tokens since the word that the run says was said
    names: Named
    named_place: Tensor  # int64 [B, T, N]: of each named entry's payload token 0 in the stream
    named_order: Tensor  # int64 [B, T, N]: of its n-gram


@dataclass(frozen=True)
class Losses:
    """Nats of T targets with the memory and without, and the entry to which the difference is due.

    on, off: float [B, T]. size: the mean square of the logits' log-sum, which training keeps small. place,
    order: int64 [B, T], where the entry's payload begins and the tokens of its n-gram; order 0: no entry.
    """

    on: Tensor
    off: Tensor
    size: Tensor
    place: Tensor
    order: Tensor


@dataclass(frozen=True)
class Written:
    """What a chunk wrote, and what the gate was shown: for its training.

    writes: the entries. stream, at, order: int64 [n]: the stream, the position within the chunk and the index
    of the order of each, beyond the orders for a name. seen: the gate's context of the whole chunk. worth:
    float [B, T], the priority of the best order of each position. meanings: what the semantic lane wrote.
    """

    writes: Writes
    stream: Tensor
    at: Tensor
    order: Tensor
    seen: Context
    worth: Tensor
    meanings: Writes | None = None


@dataclass(frozen=True)
class Output:
    """What a step gave at T positions of B streams.

    hidden: [B, T, d], of the window alone. even: the same, normalised, which is what heads are shown: the
    residual stream grows as it is trained. fused: [B, T, d]. meant: of the semantic lane. written: None but
    at the end of a chunk.
    """

    hidden: Tensor
    even: Tensor
    fused: Tensor
    read: Read
    meant: SemanticRead | None
    state: State
    written: Written | None


@dataclass
class Writing:
    """Who chooses what is written: `gate`; of a chunk the `budget` best new entries, if above `least`.

    Of those that are known half as many get a younger payload: what comes back all the time would else leave
    no room for what was never said before.

    explore: the share of tokens written at random besides: a gate in training is to hear of what it left out.
    names: whose first mentions are written whatever the gate says; none in training, as no loss needs them.
    """

    gate: Gate
    budget: int = 128
    least: float = NEVER
    explore: float = 0.0
    names: Names | None = None
