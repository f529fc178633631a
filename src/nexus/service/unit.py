"""The systemd unit that runs the service for one user, confined as far as its work allows.

Knows what the service needs; whether a machine can confine it so is found out by starting it. Invariant:
every option here works in a unit of a user's own manager; see docs/decisions/0023 for what does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

NAME = "nexusos.service"
# Above what draining and the server's own patience may take together.
_AFTER_DRAIN_SECONDS = 20
# Nobody needs these of the service, and whoever can write them runs with the user's rights afterwards.
_CLOSED = (".ssh", ".gnupg", ".aws", ".kube", ".netrc", ".password-store")
_READ_ONLY = (
    *(".bashrc", ".bash_profile", ".profile", ".zshrc", ".zshenv", ".config", ".gitconfig"),
    *(".local/bin", ".local/lib", ".claude", ".codex", ".cursor", ".gemini"),
)
# A folder for temporary files of its own hides everybody's, so nothing it needs may lie there.
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108

# Capabilities and other people's ids cannot be dropped by a user's manager; inside a namespace of the
# service's own they can, and the other options that need them work.
_CONFINED = """\
PrivateUsers=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
PrivateDevices=yes
DevicePolicy=closed
PrivateIPC=yes
PrivateMounts=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
"""
_FILTERED = """\
NoNewPrivileges=yes
KeyringMode=private
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @obsolete
SystemCallFilter=io_uring_setup io_uring_enter io_uring_register
SystemCallErrorNumber=EPERM
"""


def unit_text(program: Sequence[str], home: Path, drain_seconds: int, *, confined: bool = True) -> str:
    """The unit that runs `program` for NEXUS_HOME `home`.

    `confined=False` leaves out what needs a user namespace, for machines that forbid those.
    """
    stop = drain_seconds + _AFTER_DRAIN_SECONDS
    command = " ".join(map(_word, program))
    confinement = f"{_CONFINED}{_places(home)}" if confined else ""
    used = (home, *(Path(word) for word in program))
    if confined and not any(path.is_relative_to(folder) for path in used for folder in _TEMPORARY):
        confinement += "PrivateTmp=yes\n"
    return f"""\
# Written by `nexus service install`; `nexus service uninstall` removes it.
[Unit]
Description=NexusOS, the memory of the agents on this machine
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
Environment={_word(f"NEXUS_HOME={home}")}
WorkingDirectory=/
UMask=0077
TimeoutStartSec=180
TimeoutStopSec={stop}
WatchdogSec=120
Restart=on-failure
RestartSec=2
# What cannot get better by itself: a wrong setting, a service that runs already.
RestartPreventExitStatus=2 6
KillMode=mixed
OOMPolicy=continue
MemoryHigh=80%
TasksMax=1024
LimitNOFILE=65536

{_FILTERED}{confinement}
[Install]
WantedBy=default.target
"""


def _places(home: Path) -> str:
    """What of the file system is writable: the user's own folders, for what they ask it to write there."""
    lines = [f"ReadWritePaths=%h {_word(str(home))}"]
    lines += [f"ReadOnlyPaths=-%h/{name}" for name in _READ_ONLY]
    lines += [f"InaccessiblePaths=-%h/{name}" for name in _CLOSED]
    return "\n".join(lines) + "\n"


def _word(text: str) -> str:
    """One word of a unit's line: `%` and `$` mean something there, blanks and quotes end a word."""
    text = text.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$")
    return '"' + text.replace('"', '\\"') + '"' if not text or set(text) & set(" \t\"';") else text
