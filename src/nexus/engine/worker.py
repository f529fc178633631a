"""The child process that holds the model: our engine, or llama.cpp's server, on a private Unix socket.

`python -m nexus.engine.worker` reads its settings as one line of JSON from stdin, answers with
one line on stdout, `{"ready": true}` or `{"error": ..., "kind": ...}`, and lives until stdin
closes. Knows nothing of the house but how to end with its parent: it may be killed at any moment.
Invariant: it never outlives its parent.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any

from nexus.core import platform
from nexus.core.errors import MissingPartError, NexusError
from nexus.engine.worker_settings import WorkerSettings

EXIT_ERROR = 3
# What errors of our engine mean for the parent; their classes live in a module that may be missing.
KINDS = {"FormatError": "damaged", "UnsupportedError": "unsupported", "EngineIoError": "io"}
# llama.cpp has one error for everything, which its log explains; of ours, others are faults, not bad files.
OTHER_KINDS = {"llamacpp": "load", "local": "fault"}


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends.

    Where the native part is not built, the end of stdin ends the worker, unless it hangs.
    """
    with suppress(MissingPartError):
        platform.die_with_parent(parent)


def volunteer_for_oom() -> None:
    """When RAM runs out, this process is the one to kill: it holds no data and is restarted."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("500")


def serve(settings: WorkerSettings) -> Any:
    """Load the model and start the server's threads; the result has `listening_address`."""
    if settings.kind == "local":
        from nexus.engine.local.serve import LocalWorker

        return LocalWorker(settings)
    return llamacpp(settings)


def llamacpp(settings: WorkerSettings) -> Any:
    """llama.cpp's server. Raises RuntimeError for a bad model."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings.model
    params.n_ctx = settings.context
    # Fitting would make the window smaller than asked for without saying so.
    params.fit_params = False
    params.ctx_shift = False
    params.n_parallel = 1
    params.n_batch = params.n_ubatch = settings.batch
    # Polling stays at its default: without it generation fell to 0.9 tokens/s on a busy host.
    params.cpuparams.n_threads = settings.threads
    params.cpuparams_batch.n_threads = settings.threads
    params.cache_ram_mib = settings.cache_mib
    params.hostnames = [settings.socket]
    params.api_keys = [settings.key]
    params.ui = False
    params.warmup = False
    params.verbosity = 2  # warnings and errors
    return xllamacpp.Server(params)


def main() -> None:
    # Whatever native code prints must not mix with the one line the parent waits for.
    """The child process: settings as one line in, then requests on its socket."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    line = sys.stdin.readline()
    if not line:
        os._exit(EXIT_ERROR)
    settings = WorkerSettings.from_json(line)
    die_with_parent(settings.parent)
    volunteer_for_oom()

    def answer(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    try:
        server = serve(settings)
    except ImportError as error:
        answer({"error": str(error), "kind": "missing_part"})
        os._exit(EXIT_ERROR)
    except NexusError as error:
        answer({"error": error.message, "kind": "refused", "code": error.code, "hint": error.hint})
        os._exit(EXIT_ERROR)
    except Exception as error:  # the boundary of the process: the parent words it for the user
        kind = KINDS.get(type(error).__name__, OTHER_KINDS[settings.kind])
        answer({"error": str(error) or type(error).__name__, "kind": kind})
        os._exit(EXIT_ERROR)
    answer({"ready": True, "address": server.listening_address})
    while sys.stdin.read(4096):
        pass
    if settings.kind == "local":
        server.stop()
    # llama.cpp's own shutdown waits for its connections, for ever if one stays open.
    os._exit(0)


if __name__ == "__main__":
    main()
