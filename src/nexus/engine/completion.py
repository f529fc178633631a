"""A text to continue as it stands: no chat template, no roles.

Does not know who answers. Invariant: the model reads exactly this text, so the marks that a model was
trained with may stand in it; a prompt is continued whole or refused whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nexus.core.errors import InvalidInputError
from nexus.engine.base import check_sampling


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A text to continue. Raises `InvalidInputError` for a value no engine can use.

    `suffix` is what follows the gap to be filled, None where the text just goes on; the model must have
    marks for it. The rest is as in `ChatRequest`.
    """

    prompt: str
    suffix: str | None = None
    max_tokens: int = 16
    temperature: float = 0.7
    top_p: float = 0.95
    stop: Sequence[str] = ()
    seed: int | None = None
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0

    def __post_init__(self) -> None:
        if not self.prompt and not self.suffix:
            raise InvalidInputError("the prompt is empty", hint="send a text to continue")
        check_sampling(self)
