"""What waits for the user's word, how it comes there, and one memory taking another's place.

Shared by the JSON interface, the hooks and the dashboard; knows nothing of HTTP. Invariants: a memory that is
named in a proposal and gone since is left out, never shown from the proposal's own words; no proposal waits
for the learner to say how new it is.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from nexus.core import clock
from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.cortex.cortex import Cortex
from nexus.cortex.extractor import Role
from nexus.cortex.memory import Memory
from nexus.cortex.memory_file import ID
from nexus.cortex.project_memories import SOURCE
from nexus.cortex.proposal import ProposedMemory, meaning
from nexus.service.learning import Learning
from nexus.service.novelty import Sentence


def hear(
    cortex: Cortex,
    learning: Learning,
    text: str,
    *,
    learnt: str,
    role: Role = "user",
    session: str = "",
    project: str = "",
) -> list[ProposedMemory]:
    """Propose what `text` seems to teach, and let the learner judge that before it reads `learnt`."""
    proposed: list[ProposedMemory] = []
    try:
        proposed = cortex.consider(text, role, session=session, project=project)
    finally:
        note = cortex.keeping.note_surprise
        unjudged = [Sentence(p.learning, partial(note, p)) for p in proposed if p.surprise is None]
        learning.observe(learnt, session, unjudged)
    return proposed


def waiting(cortex: Cortex, most: int | None = None) -> list[dict[str, Any]]:
    """The proposals, newest day first; `against` and `alike` are the memories they contradict or repeat.

    At most the first `most` of them.

    `why` is the reason without naming once more what is in `against`; `surprise_means` is the number in
    words.
    """
    found = []
    for proposal in cortex.proposals()[:most]:
        named = {
            "against": _held(cortex, proposal.contradicts),
            "alike": _held(cortex, proposal.similar),
            "why": proposal.reason.partition("; contradicts ")[0],
            "surprise_means": meaning(proposal.surprise),
        }
        found.append({**proposal.as_dict(), **named})
    return found


def supersede(cortex: Cortex, old_id: str, words: str, **fields: Any) -> Memory:
    """Let a memory take the place of `old_id`, which ends now and stays readable.

    `words` are what is true now, or the id of a memory that says it already. Project and type are the
    old one's where `fields` names none. Raises `NotFoundError`, `InvalidInputError`, `SecretError`.
    """
    old = cortex.memory(old_id)
    if not ID.fullmatch(words.strip()):
        given = {"project": old.project, "type": old.type, **fields}
        return cortex.memories_of.supersede(old_id, words, **given)
    new = cortex.memory(words.strip())
    if new.id == old.id:
        raise InvalidInputError(f"{old.id} cannot take its own place", hint="name the newer memory")
    if old.source == SOURCE:
        raise InvalidInputError(
            f"{old.id} belongs to a project and is only read",
            hint="take its approval back with `nexus memories withdraw`",
        )
    if old.id not in new.supersedes:
        new = cortex.edit(new.id, supersedes=(*new.supersedes, old.id))
    if old.valid_at(clock.now()):
        cortex.edit(old.id, valid_to=clock.iso(clock.now()))
    return new


def _held(cortex: Cortex, ids: tuple[str, ...]) -> list[dict[str, Any]]:
    held = []
    for memory_id in ids:
        try:
            memory = cortex.memory(memory_id)
        except (NotFoundError, InvalidInputError):
            continue  # forgotten or damaged since it was proposed
        if memory.valid_at(clock.now()):
            held.append({"id": memory.id, "learning": memory.learning, "created": memory.created})
    return held
