"""What waits for the user's word, with what stands against it, and one memory taking another's place.

Shared by the JSON interface and the dashboard; knows nothing of HTTP. Invariant: a memory that is named
in a proposal and gone since is left out, never shown from the proposal's own words.
"""

from __future__ import annotations

from typing import Any

from nexus.core import clock
from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.cortex.cortex import Cortex
from nexus.cortex.memory import Memory
from nexus.cortex.memory_file import ID
from nexus.cortex.project_memories import SOURCE


def waiting(cortex: Cortex) -> list[dict[str, Any]]:
    """The proposals, newest first; `against` and `alike` are the memories they contradict or repeat.

    `why` is the reason without naming once more what is in `against`.
    """
    found = []
    for proposal in cortex.proposals():
        named = {
            "against": _held(cortex, proposal.contradicts),
            "alike": _held(cortex, proposal.similar),
            "why": proposal.reason.partition("; contradicts ")[0],
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
