"""The training room: a small model that learns from the user's conversations while nobody needs the machine.

`learner_client` is the service's side, `learner_process` the child that learns; between them `messages`.
Nothing learnt or read here leaves the machine unless the user names a teacher elsewhere. Importing this
package imports nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nexus.core.contract import offered

if TYPE_CHECKING:
    from nexus.training.learner_client import Learner as Learner
    from nexus.training.learner_settings import LearnerSettings as LearnerSettings
    from nexus.training.objective import Figures as Figures
    from nexus.training.trainer import Plan as Plan
    from nexus.training.trainer import Training as Training

# A service that is asked with this header knows that nobody waits: the teacher may be this very service,
# which would stop learning while it serves.
BACKGROUND_HEADER: Final = "x-nexus-background"

__getattr__, __dir__, __all__ = offered(
    __name__,
    {
        "learner_client": "Learner",
        "learner_settings": "LearnerSettings",
        "objective": "Figures",
        "trainer": "Plan Training",
    },
)
