"""The `options` of Ollama's interface as the engine takes them.

Does not know messages. Invariant: an option that would change the answer is followed or refused by name;
those that only say how a model is to be loaded (threads, layers on a GPU, batches) are accepted and
change nothing, because the service has its own settings for them.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from nexus.core.errors import InvalidInputError
from nexus.service.api.ollama_fields import Fields

# What Ollama takes where a client says nothing.
TEMPERATURE, TOP_P, TOP_K = 0.8, 0.9, 40
# As much as the window leaves; written as num_predict = -1 or -2, also 0.
OPEN_END = 2**31 - 1
_LARGEST_SEED = 2**63 - 1
# Not computed here, and the values with which they change nothing.
_NEUTRAL: dict[str, tuple[float, ...]] = {
    "repeat_penalty": (1.0,),
    "typical_p": (1.0,),
    "tfs_z": (1.0,),
    "mirostat": (0.0,),
}
_INSTEAD = {"repeat_penalty": "leave it out, or use presence_penalty or frequency_penalty"}


class Options(Fields):
    """Numbers for one answer. Others are accepted and have no effect."""

    num_ctx: int | None = Field(default=None, ge=1, le=2**31 - 1)
    num_predict: int | None = Field(default=None, ge=-2, le=2**31 - 1)
    temperature: float | None = Field(default=None, ge=0.0, le=2.0)
    top_p: float | None = Field(default=None, gt=0.0, le=1.0)
    top_k: int | None = Field(default=None, ge=0, le=2**31 - 1)
    min_p: float | None = Field(default=None, ge=0.0, le=1.0)
    seed: int | None = Field(default=None, le=_LARGEST_SEED)
    stop: str | list[str] | None = Field(default=None, max_length=1000)
    presence_penalty: float | None = Field(default=None, ge=-2.0, le=2.0)
    frequency_penalty: float | None = Field(default=None, ge=-2.0, le=2.0)
    repeat_penalty: float | None = None
    typical_p: float | None = None
    tfs_z: float | None = None
    mirostat: int | None = None

    def check(self) -> None:
        """Raise `InvalidInputError` for an option that would change the answer and cannot be followed."""
        for name, neutral in _NEUTRAL.items():
            value = getattr(self, name)
            if value is not None and value not in neutral:
                raise InvalidInputError(
                    f"options.{name} = {value} is not supported", hint=_INSTEAD.get(name, "leave it out")
                )

    def length(self, otherwise: int) -> int:
        """Tokens of the answer at the most, `otherwise` where the client does not say."""
        if self.num_predict is None:
            return otherwise
        return self.num_predict if self.num_predict > 0 else OPEN_END

    def sampling(self) -> dict[str, Any]:
        """The fields of a `ChatRequest` that say how tokens are drawn and where the answer ends."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return {
            "temperature": TEMPERATURE if self.temperature is None else self.temperature,
            "top_p": TOP_P if self.top_p is None else self.top_p,
            "top_k": TOP_K if self.top_k is None else self.top_k,
            "min_p": self.min_p or 0.0,
            "presence_penalty": self.presence_penalty or 0.0,
            "frequency_penalty": self.frequency_penalty or 0.0,
            "stop": tuple(stop),
            # A negative one asks for a seed drawn anew.
            "seed": None if self.seed is None or self.seed < 0 else self.seed,
        }

    def beyond_memory(self) -> list[str]:
        """The options that the model with memory cannot follow; it answers with the likeliest words."""
        always = ("stop", "presence_penalty", "frequency_penalty")
        drawn = ("top_k", "top_p", "min_p", "seed") if self.temperature else ()
        return [name for name in (*always, *drawn) if getattr(self, name)]
