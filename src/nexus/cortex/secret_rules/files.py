"""Files that are secrets by their name, so that they are not even opened (seed 004).

Knows no content. Invariant: a template (`.env.example`), a public half (`*.pub`) and a file of source
code are never refused here; what they hold is judged like any text.
"""

from __future__ import annotations

import fnmatch
from pathlib import PurePath

_NAMES: tuple[tuple[str, str], ...] = (
    (".env", "environment file"),
    (".env.*", "environment file"),
    ("*.env", "environment file"),
    (".envrc", "environment file"),
    ("id_rsa*", "SSH key"),
    ("id_dsa*", "SSH key"),
    ("id_ecdsa*", "SSH key"),
    ("id_ed25519*", "SSH key"),
    ("ssh_host_*_key", "SSH key"),
    ("*.pem", "private key or certificate"),
    ("*.key", "private key"),
    ("*.ppk", "private key"),
    ("*.p8", "private key"),
    ("*.p12", "key store"),
    ("*.pfx", "key store"),
    ("*.jks", "key store"),
    ("*.keystore", "key store"),
    ("*.kdb", "password database"),
    ("*.kdbx", "password database"),
    ("*.agekey", "private key"),
    ("secring.*", "private key"),
    (".netrc", "stored passwords"),
    ("_netrc", "stored passwords"),
    (".npmrc", "registry token"),
    (".yarnrc.yml", "registry token"),
    (".pypirc", "registry token"),
    (".git-credentials", "stored passwords"),
    (".pgpass", "stored passwords"),
    (".my.cnf", "stored passwords"),
    (".htpasswd", "password hashes"),
    ("shadow", "password hashes"),
    ("gshadow", "password hashes"),
    (".dockercfg", "registry token"),
    (".vault-token", "access token"),
    ("credentials", "cloud credentials"),
    ("credentials.json", "cloud credentials"),
    ("credentials.toml", "registry token"),
    ("application_default_credentials.json", "cloud credentials"),
    ("client_secret*.json", "cloud credentials"),
    ("service-account*.json", "cloud credentials"),
    ("service_account*.json", "cloud credentials"),
    ("kubeconfig", "cluster credentials"),
    ("*.kubeconfig", "cluster credentials"),
    ("*.tfstate", "state file with secrets"),
    ("*.tfstate.backup", "state file with secrets"),
    ("*.ovpn", "VPN key"),
    ("secrets.yml", "secrets file"),
    ("secrets.yaml", "secrets file"),
    ("secrets.json", "secrets file"),
    ("secrets.toml", "secrets file"),
)
_PATHS = (
    (".docker/config.json", "registry token"),
    (".kube/config", "cluster credentials"),
    (".ssh/config", "SSH configuration"),
    (".m2/settings.xml", "registry token"),
    (".config/gh/hosts.yml", "access token"),
)
_HARMLESS = (".example", ".sample", ".template", ".dist", ".pub", ".md", ".defaults")
# `.py`: a module called id_rsa_test.py is code, not a key.
_HARMLESS_SUFFIXES = {".py", ".rs", ".go", ".js", ".ts", ".c", ".h", ".html", ".txt", ".rst"}


def refused_name(path: PurePath) -> str | None:
    """Why a file of this name is never read, or None. The folder it lies in counts too."""
    name = path.name.lower()
    if name.endswith(_HARMLESS) or PurePath(name).suffix in _HARMLESS_SUFFIXES:
        return None
    for pattern, what in _NAMES:
        if fnmatch.fnmatchcase(name, pattern):
            return f"secret file: {what} ({pattern})"
    parts = path.as_posix().lower()
    for tail, what in _PATHS:
        if parts == tail or parts.endswith("/" + tail):
            return f"secret file: {what} ({tail})"
    return None
