"""The service's log without credentials, whoever writes what into it.

A log line may quote what an agent sent or what an error says of it. Knows nothing of what is logged.
Invariant: a line is cleaned as it is written, traceback included.
"""

from __future__ import annotations

import logging

from nexus.cortex.secrets import blacked_out


class CleanFormatter(logging.Formatter):
    """Another formatter's lines, blacked out."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return blacked_out(self._inner.format(record))


def clean_log() -> None:
    """Clean what the handlers that are there now write. Calling it twice is harmless."""
    for handler in logging.getLogger().handlers:
        if not isinstance(handler.formatter, CleanFormatter):
            handler.setFormatter(CleanFormatter(handler.formatter or logging.Formatter()))
