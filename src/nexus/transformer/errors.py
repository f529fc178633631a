"""What can be wrong with what the transformer is given: a configuration, a tokenizer, weights, tokens.

Knows no file format. Invariant: each message names the value that is wrong, each hint what to do about it.
"""

from nexus.core.errors import InvalidInputError, NexusError


class TransformerConfigError(InvalidInputError):
    """A size of the model that cannot be, or two that contradict each other."""

    code = "transformer_config"


class TokenizerFileError(NexusError):
    """The files of a tokenizer are missing, damaged or do not belong together."""

    code = "tokenizer_file"
    exit_status = 10


class TokensError(InvalidInputError):
    """Token ids that this vocabulary does not have, or tokens in a form that cannot be read."""

    code = "tokens"


class WindowError(InvalidInputError):
    """The window of another model, of another number of streams, or of another device."""

    code = "window"


class PackedWeightsError(NexusError):
    """Packed ternary weights that are truncated, damaged or of another matrix."""

    code = "packed_weights"
    exit_status = 10


class WeightsFileError(NexusError):
    """A file of weights that is missing, truncated, altered, foreign or of another vocabulary."""

    code = "transformer_weights"
    exit_status = 10
