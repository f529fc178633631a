"""What can be wrong with the files of a training.

Knows no file format. Invariant: each message names the file, each hint what to do about it.
"""

from nexus.core.errors import NexusError


class TokenFileError(NexusError):
    """A file of tokens that is damaged, truncated or of another tokenizer."""

    code = "token_file"
    exit_status = 10


class TrainingStateError(NexusError):
    """A checkpoint that is damaged, truncated, foreign, or of a model of another configuration."""

    code = "training_state"
    exit_status = 10


class CompanionLostError(NexusError):
    """Another process of the same training has ended, or cannot be reached any more."""

    code = "companion_lost"
    exit_status = 12
