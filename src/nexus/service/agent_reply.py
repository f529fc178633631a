"""What a tool of an agent is called with, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to an agent. `data` holds `text` too: some agents show their model only the data."""

    text: str
    more: Mapping[str, Any]

    @property
    def data(self) -> dict[str, Any]:
        """For JSON."""
        return {"text": self.text, **self.more}


class Arguments(BaseModel):
    """Those of one tool; what it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
