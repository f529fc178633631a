"""Errors that a user may see.

Each class carries what the three surfaces need: a stable `code` (API clients), the process
`exit_status` (shell) and the `http_status` (browser, SDK). The message names the value that is
wrong; the `hint` says what to do about it. Anything that is not a `NexusError` is a bug of ours.
"""

from __future__ import annotations

import errno
from pathlib import Path


class NexusError(Exception):
    """Base of every expected failure."""

    code = "nexus_error"
    exit_status = 1
    http_status = 500

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InvalidInputError(NexusError):
    """An argument or a request field has a value that cannot be used."""

    code = "invalid_input"
    exit_status = 2
    http_status = 400


class ConfigError(InvalidInputError):
    """A configuration key or value is wrong; the message names file, line and allowed values."""

    code = "invalid_config"


class ContextOverflowError(InvalidInputError):
    """The prompt does not fit the model's window. Nothing was cut."""

    code = "context_length_exceeded"


class SecretError(InvalidInputError):
    """The text holds a credential, so it is not stored."""

    code = "secret_refused"
    http_status = 422


class UnauthorizedError(NexusError):
    """The token is missing or wrong."""

    code = "unauthorized"
    exit_status = 4
    http_status = 401


class NotFoundError(NexusError):
    """The named memory, model or document does not exist."""

    code = "not_found"
    exit_status = 5
    http_status = 404


class NotRunningError(NexusError):
    """The command needs the service and it does not run."""

    code = "not_running"
    exit_status = 3
    http_status = 503


class AlreadyRunningError(NexusError):
    """Another service already owns this NEXUS_HOME or port."""

    code = "already_running"
    exit_status = 6
    http_status = 409


class BusyError(NexusError):
    """The queue is full or the service is draining; try again after `retry_after` seconds."""

    code = "busy"
    exit_status = 7
    http_status = 503

    def __init__(self, message: str, *, hint: str = "", retry_after: int = 5) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class StorageError(NexusError):
    """The disk is full, read-only or broken. What was acknowledged before is still there."""

    code = "storage"
    exit_status = 8
    http_status = 507

    @classmethod
    def from_os(cls, error: OSError, path: Path | str) -> StorageError:
        """Turn an `OSError` met while writing `path` into a message with a remedy."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return cls(f"no space left on the disk of {path}", hint="free some space and try again")
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            return cls(
                f"cannot write {path}: {error.strerror}",
                hint="set NEXUS_HOME to a folder you may write to",
            )
        return cls(f"cannot write {path}: {error.strerror or error}")


class ModelMissingError(NexusError):
    """A model is needed that is not installed."""

    code = "model_missing"
    exit_status = 9
    http_status = 503


class ModelUnsupportedError(NexusError):
    """A sound model file that this engine does not compute."""

    code = "model_unsupported"
    exit_status = 10
    http_status = 503


class ModelCorruptError(NexusError):
    """A model file is not the one the catalog names: truncated or tampered with."""

    code = "model_corrupt"
    exit_status = 10
    http_status = 503


class DownloadError(NexusError):
    """No source of a model could be reached."""

    code = "download_failed"
    exit_status = 11
    http_status = 502


class EngineError(NexusError):
    """The language model could not answer."""

    code = "engine_failed"
    exit_status = 12
    http_status = 502


class MissingPartError(NexusError):
    """An optional part of the system is not there; the hint is the command that mends it."""

    code = "missing_part"
    exit_status = 13
    http_status = 501


def revived(code: str, message: str, hint: str = "") -> NexusError:
    """An error that another process reported, in its own class again where the code is known."""
    classes: list[type[NexusError]] = [NexusError]
    for known in classes:
        if known.code == code:
            return known(message, hint=hint)
        classes.extend(known.__subclasses__())
    return NexusError(message, hint=hint)
