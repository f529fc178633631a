"""Writes every address that this Python process connects, sends or resolves to into AUDIT_LOG.

Python imports a module of this name at start; tests put this folder on PYTHONPATH of the service.
"""

from __future__ import annotations

import os
import sys
from typing import Any

_EVENTS = {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"}


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _EVENTS:
        target = arguments[0] if event == "socket.getaddrinfo" else arguments[-1]
        with open(os.environ["AUDIT_LOG"], "a") as log:
            log.write(f"{event}\t{target!r}\n")


sys.addaudithook(_note)
