"""Finds credentials in text and in file names, so that none is ever stored (seed 004).

A finding says what and where, never the value. `high` means a shape that only real credentials of
one issuer have; `low` means a name or shape that examples have too. What is done about each is
decided by the reader. Invariants: findings do not overlap and are in order; time is linear.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from nexus.cortex.outline import line_spans
from nexus.cortex.secret_rules import (
    ASSIGNED,
    DATABASES,
    KEYWORD,
    RULES,
    URL_PASSWORD,
    Confidence,
    Rule,
)

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

# Values printed in public documentation, by hash, so that this file holds none of them.
_PUBLISHED = {
    # SECRET_KEY of the FastAPI tutorial
    "570dad43de1af4c925f92c16a68a50936da42b7dd6fdeb24850507a1199aac89",
}
_SEQUENCES = ("1234567890", "0123456789", "abcdefgh", "ABCDEFGH", "12345678")
_PLACEHOLDER = re.compile(
    r"(?i)^(?:your|my[-_]|the[-_]|some|insert|change|replace|example|sample|dummy|fake|foo|bar|demo|"
    r"placeholder|redacted|removed|hidden|masked|censored|secret|password|passw|token|none|null|true|"
    r"false|undefined|default|test|admin|hunter2|letmein|qwerty|todo|process\.env|os\.environ|"
    r"import\.meta|env\.|config\.|settings\.|self\.|this\.|request\.|getenv|vault:|ref:|file:|arn:)|"
    r"[-_](?:here|key|placeholder|example|goes[-_]here)$|xxxx|\*\*\*|\.\.\.|…|example|\$[A-Za-z_{(]|\{\{|\{[a-z_]|%\(|<[a-z]"
)
_HASH = re.compile(
    r"\$(?:argon2|2[abxy]?\$|[156]\$|scrypt|pbkdf2)|pbkdf2[_:]|\{(?:SSHA|SHA|CRYPT)|sha\d{1,3}[-:]"
)
_OTHER_THING = re.compile(
    r"(?i)(?:ur[li]|uri|type|name|file|path|dir|folder|ids?|count|limit|len|length|size|hash(?:ed)?|algorithm|"
    r"endpoint|field|header|prefix|suffix|regex|pattern|policy|arn|version|label|hint|param|params|format|scopes?|"
    r"error|status|expir\w*|ttl|age|timeout|minutes|seconds|class|model|schema|form|input|prompt|manager|store|"
    r"provider|budget|index|usage|bytes|_?izer|ized?|iz\w+|s)$"
)
_SLUG = re.compile(r"[A-Za-z]+\d{0,3}(?:[-_./:@]{1,3}[A-Za-z]+\d{0,3}|[-_./:@]\d{1,4})*(?:\(\))?")
_EXAMPLE_HOST = re.compile(
    r"(?i)(?:^|\.)(?:example|test|invalid|local)(?:\.(?:com|org|net))?$|^(?:host|hostname|server)$"
)
_WEAK = {
    "pass", "password", "passwd", "pwd", "secret", "postgres", "root", "admin", "user", "guest",
    "test", "example", "changeme", "mysql", "mongo", "redis", "rabbitmq", "foo", "bar", "xxx",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """A credential at `text[start:end]`, on line `line` (from 1). Holds no part of the value."""

    kind: str
    line: int
    start: int
    end: int
    confidence: Confidence


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


def find(text: str) -> list[Finding]:
    """Every credential in `text`, in order."""
    spans: list[tuple[int, int, str, Confidence]] = []
    for rule in RULES:
        spans.extend(_by_rule(text, rule))
    spans.extend(_in_urls(text))
    spans.extend(_assigned(text))
    if not spans:
        return []
    lines = [start for start, _ in line_spans(text)]
    found: list[Finding] = []
    # Where two rules meet the same text, the surer one and then the longer one speaks.
    spans.sort(key=lambda s: (s[3] != "high", s[0] - s[1]))
    taken: list[tuple[int, int]] = []
    for start, end, kind, confidence in spans:
        at = bisect_right(taken, (start, end))
        if (at and taken[at - 1][1] > start) or (at < len(taken) and taken[at][0] < end):
            continue
        taken.insert(at, (start, end))
        found.append(Finding(kind, bisect_right(lines, start), start, end, confidence))
    return sorted(found, key=lambda f: f.start)


def redact(text: str, findings: Sequence[Finding]) -> str:
    """`text` with each finding replaced by `[removed: kind]`; line numbers stay as they were."""
    parts: list[str] = []
    position = 0
    for finding in findings:
        value = text[finding.start : finding.end]
        parts += [
            text[position : finding.start],
            f"[removed: {finding.kind}]",
            "\n" * value.count("\n"),
        ]
        position = finding.end
    return "".join([*parts, text[position:]])


def _by_rule(text: str, rule: Rule) -> Iterator[tuple[int, int, str, Confidence]]:
    if not rule.anchors:
        for found in rule.pattern.finditer(text):
            if not _is_placeholder(found[0], rule):
                yield *found.span(), rule.kind, rule.confidence
    for anchor in rule.anchors:
        position = text.find(anchor)
        while position >= 0:
            match = _match(text, rule, position)
            if match and not _is_placeholder(match[0], rule):
                end = match.end()
                if rule.kind == "private key":
                    end = _end_of_key(text, end)
                yield match.start(), end, rule.kind, rule.confidence
            position = text.find(anchor, max(match.end() if match else 0, position + len(anchor)))


def _match(text: str, rule: Rule, position: int) -> re.Match[str] | None:
    if not rule.back:
        return rule.pattern.match(text, position)
    for start in range(max(0, position - rule.back), position + 1):
        match = rule.pattern.match(text, start)
        if match:
            return match
    return None


def _end_of_key(text: str, position: int) -> int:
    end = text.find("-----END ", position, position + 20_000)
    if end < 0:
        run = re.compile(r"[A-Za-z0-9+/=\s]{0,20000}").match(text, position)
        return run.end() if run else position
    close = text.find("-----", end + 9, end + 80)
    return close + 5 if close >= 0 else end


def _is_placeholder(value: str, rule: Rule) -> bool:
    if rule.kind == "private key":
        return False
    if "EXAMPLE" in value or any(s in value for s in _SEQUENCES) or _published(value):
        return rule.kind != "json web token" or _is_sample_token(value)
    if rule.kind == "json web token":
        return _is_sample_token(value)
    tail = value[-24:]
    return len(set(tail)) < min(7, len(tail) // 2) or re.search(r"(?i)x{5}|\.{3}|your[-_]", value) is not None


def _published(value: str) -> bool:
    return hashlib.sha256(value.encode()).hexdigest() in _PUBLISHED


def _is_sample_token(value: str) -> bool:
    """Whether a JSON web token is about nobody: the sample subject that documentation uses."""
    body = value.split(".")[1]
    try:
        claims = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        return False
    return b"1234567890" in claims or b"John Doe" in claims or b"johndoe" in claims


def _in_urls(text: str) -> Iterator[tuple[int, int, str, Confidence]]:
    position = text.find("://")
    while position >= 0:
        start = position
        while start > 0 and position - start < 30 and _scheme_letter(text[start - 1]):
            start -= 1
        while start < position and not text[start].isalpha():
            start += 1
        match = URL_PASSWORD.match(text, start)
        if match:
            value, user, host = match["value"], match["user"], match["host"]
            weak = value.lower() in _WEAK or value == user or _PLACEHOLDER.search(value)
            if not weak and not _EXAMPLE_HOST.search(host) and len(value) >= 6:
                database = match["scheme"].lower().startswith(DATABASES)
                kind = "database password" if database else "password in a URL"
                local = host in ("localhost", "127.0.0.1", "db", "postgres", "redis", "mysql")
                sure = not local and len(set(value)) > 4 and not value.isalpha()
                yield *match.span("value"), kind, "high" if sure else "low"
        position = text.find("://", position + 3)


def _scheme_letter(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character in "+.-")


def _assigned(text: str) -> Iterator[tuple[int, int, str, Confidence]]:
    # U+0130 is the one letter that grows when it is lowered; offsets must stay the same.
    lowered = text.lower() if text.isascii() else text.replace("\u0130", "i").lower()
    position = 0
    while name := KEYWORD.search(lowered, position):
        position = name.end()
        match = ASSIGNED.match(text, position)
        if not match:
            continue
        group = "quoted" if match["quoted"] else "bare"
        value = match[group]
        position = match.end()
        if _OTHER_THING.search(match["rest"]) or _before_says_no(lowered, name.start()):
            continue
        if group == "bare":
            if match["after"] or (match["after"] == "" and not _bare_is_value(value)):
                continue
            value = value.rstrip(".,:")
        start = match.start(group)
        whole = lowered[max(0, name.start() - 24) : name.end()]
        aws = "aws" in whole and re.fullmatch(r"[A-Za-z0-9/+=]{40}", value) is not None
        if aws and "EXAMPLE" not in value and _entropy(value) > 3.5:
            yield start, start + len(value), "aws secret key", "high"
        elif _looks_secret(value):
            yield start, start + len(value), "password or key", "low"


def _before_says_no(lowered: str, position: int) -> bool:
    """Whether the name begins with a word that makes it something else: `hashed_password`."""
    before = lowered[max(0, position - 12) : position]
    return (
        re.search(r"(?:hashed|fake|example|dummy|max|num|csrf|public|publickey|sample)[_-]?$", before)
        is not None
    )


def _bare_is_value(value: str) -> bool:
    digits = sum(c.isdigit() for c in value)
    random = digits >= 2 or (digits == 1 and len(value) >= 16)
    return random and not re.fullmatch(r"[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)+", value)


def _looks_secret(value: str) -> bool:
    if len(value) < 8 or _PLACEHOLDER.search(value) or _HASH.match(value) or _published(value):
        return False
    if "://" in value or value.startswith(("/", "./", "../", "~/", "#", "--", "@", "$", "%", "&")):
        return False
    if any(s in value for s in _SEQUENCES) or _SLUG.fullmatch(value) or value.isdigit():
        return False
    tests = (str.islower, str.isupper, str.isdigit, lambda c: not c.isalnum())
    kinds = sum(any(map(test, value)) for test in tests)
    return kinds >= 2 and not value.isalpha() and _entropy(value) >= (2.9 if len(value) < 12 else 3.0)


def _entropy(value: str) -> float:
    """Bits per character, from how often each occurs."""
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values())
