"""The training room: a small model that learns from the user's conversations while nobody needs the machine.

`learner_client` is the service's side, `learner_process` the child that learns; between them `messages`.
Nothing learnt or read here leaves the machine unless the user names a teacher elsewhere. Importing this
package imports nothing heavy.
"""

from typing import Final

# A service that is asked with this header knows that nobody waits: the teacher may be this very service,
# which would stop learning while it serves.
BACKGROUND_HEADER: Final = "x-nexus-background"
