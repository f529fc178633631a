"""What the compiled engine raises, in the words of the house.

Does not decide who fails. Invariant: what it gives back holds no frames of the stack: an error may lie
long in a queue, and contexts with their memory would lie there with it.
"""

from __future__ import annotations

from nexus.core.errors import EngineError, NexusError, StorageError


def translated(error: Exception) -> NexusError:
    """The same as a `NexusError`: `StorageError` for the disk, `EngineError` for everything else."""
    if isinstance(error, NexusError):
        error.__traceback__ = error.__context__ = error.__cause__ = None
        return error
    from nexus._engine import EngineIoError, EngineNativeError, FormatError

    text = str(error) or type(error).__name__
    if isinstance(error, EngineIoError | FormatError):
        return StorageError(text, hint="see that the disk has room and is sound, then ask again")
    if isinstance(error, MemoryError):
        return EngineError(
            "the memory is full", hint="lower engine.ram_mib or engine.streams, or take a smaller model"
        )
    if isinstance(error, EngineNativeError):
        return EngineError(f"the engine could not go on: {text}", hint="ask again")
    return EngineError(f"the engine has a fault: {type(error).__name__}: {text}", hint="ask again")
