"""What the service decides for the process that learns.

Knows nothing of how it is done. Invariant: it travels as one line of JSON.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from nexus.core.paths import Home

if TYPE_CHECKING:  # the learner's process need not load what checks settings
    from nexus.core.settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class LearnerSettings:
    """`share` is of one core; `ram_mib` 0 is no limit; `base_bytes` of our own text are read first."""

    training_folder: str
    checkpoint_folder: str
    parent: int = 0
    replay: bool = True
    replay_bytes: int = 16 << 20
    replay_items: int = 20_000
    ram_mib: int = 0
    share: float = 0.25
    base_bytes: int = 256 << 10
    checkpoint_seconds: float = 300.0
    metrics_seconds: float = 1.0
    teacher: str = "none"
    url: str = ""
    model: str = ""
    api_key: str = ""
    bootstrap: bool = False
    topic: str = ""
    pause_seconds: float = 30.0
    timeout_seconds: float = 120.0

    def to_json(self) -> str:
        """One line for the child process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> LearnerSettings:
        """What `to_json` wrote."""
        return cls(**json.loads(text))


def learner_settings(settings: TrainingSettings, home: Home) -> LearnerSettings:
    """What the user's settings mean for the process."""
    return LearnerSettings(
        training_folder=str(home.training),
        checkpoint_folder=str(home.checkpoints),
        replay=settings.enabled,
        replay_bytes=settings.replay_mib << 20,
        replay_items=settings.replay_items,
        ram_mib=settings.ram_mib,
        teacher=settings.teacher,
        url=settings.url,
        model=settings.model,
        api_key=settings.api_key,
        bootstrap=settings.bootstrap,
        topic=settings.topic,
        pause_seconds=settings.pause_seconds,
        timeout_seconds=settings.timeout_seconds,
    )
