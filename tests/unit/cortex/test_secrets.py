"""Credentials are found by kind and never shown; what only looks like one is left alone."""

from __future__ import annotations

import re
from pathlib import PurePath

import pytest

from nexus.cortex.evaluation.credentials import HIGH, LOW, NAMED, Maker
from nexus.cortex.secrets import KINDS, blacked_out, find, redact, refused_name, values

WRAPPINGS = [
    "{}",
    "I ran `{}` and it works",
    '  "value": "{}",',
    "stdout={}\n",
    "+{}",
    "\u4f60\u597d {} \U0001f600",
]


@pytest.mark.parametrize("kind", HIGH)
def test_every_kind_is_found_and_sure(kind: str) -> None:
    for seed, wrapping in enumerate(WRAPPINGS):
        secret = HIGH[kind](Maker(seed))
        found = find(wrapping.format(secret))
        assert [(f.kind, f.confidence) for f in found] == [(kind, "high")], wrapping


@pytest.mark.parametrize("kind", LOW)
def test_shapes_that_examples_have_too_are_doubtful(kind: str) -> None:
    for seed, wrapping in enumerate(WRAPPINGS):
        found = find(wrapping.format(LOW[kind](Maker(seed))))
        assert [(f.kind, f.confidence) for f in found] == [(kind, "low")], wrapping


@pytest.mark.parametrize("line", NAMED)
def test_a_value_with_a_telling_name_is_doubtful(line: str) -> None:
    for seed in range(20):
        maker = Maker(seed)
        for value in (maker.hex(32), maker.letters(22) + "4z", "vK" + maker.letters(5) + "#4w8Tz"):
            found = find(line.format(value))
            assert [f.kind for f in found] == ["password-or-key"], line.format(value)


def test_more_than_a_hundred_kinds_have_a_name_and_a_shape_of_their_own() -> None:
    assert len({**HIGH, **LOW}) >= 150
    assert {**HIGH, **LOW}.keys() <= set(KINDS)
    assert all(re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", kind) for kind in KINDS)


@pytest.mark.parametrize("kind", [*HIGH, *LOW])
def test_nothing_is_left_to_find_after_redaction(kind: str) -> None:
    for seed, wrapping in enumerate(WRAPPINGS):
        text = wrapping.format({**HIGH, **LOW}[kind](Maker(seed)))
        assert find(redact(text, find(text))) == []


def test_a_long_value_is_taken_to_its_end() -> None:
    value = Maker(3).letters(900)
    for text in (f"API_TOKEN={value}", f'api_token = "{value}"', f"Authorization: Bearer {value}"):
        assert value[-20:] not in redact(text, find(text))


@pytest.mark.parametrize("kind", HIGH)
def test_no_rest_of_a_longer_value_is_left(kind: str) -> None:
    """Patterns read so many letters and no more; a text must not keep the others."""
    for more in (300, 40_000):
        maker = Maker(more)
        secret, tail = HIGH[kind](maker), maker.letters(more)
        place = re.search(r"[\"'@ ][^\"'@]*$|-----END|$", secret)
        assert place is not None
        text = f"see {secret[: place.start()]}{tail}{secret[place.start() :]} here"
        found = find(text)
        assert not found or tail[-10:] not in redact(text, found)


def test_a_key_without_an_end_is_taken_as_far_as_it_goes() -> None:
    lines = [Maker(n).letters(64) for n in range(800)] + ["Ab1="]
    for joint in ("\n", "\r\n", "\\n", "\n    ", '",\n"', "\n> "):
        text = (
            "-----BEGIN RSA PRIVATE KEY-----" + joint + joint.join(lines) + "\n\nThe harbour (new) opens.\n"
        )
        clean = redact(text, find(text))
        assert not any(line[:20] in clean for line in lines), joint
        assert "(new) opens." in clean
        assert clean.count("\n") == text.count("\n")


def test_the_body_of_a_putty_key_goes_with_its_head() -> None:
    body = [Maker(n).letters(64) for n in range(14)]
    head = "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nComment: me\nPrivate-Lines: 14"
    clean = redact(text := "\n".join([head, *body, "Private-MAC: 00ff", "The end."]), find(text))
    assert not any(line[-10:] in clean for line in body)
    assert clean.endswith("The end.")


def test_what_one_rule_has_not_seen_of_a_value_another_takes() -> None:
    token = HIGH["github-token"](Maker(1))
    head = "kind: Secret\nmetadata:\n  name: a\ndata:\n  one: c3VwZXJzZWNyZXQ=\n"
    text = f'{head}  two: "{token}#!tail"\nkind: Job\n'
    clean = redact(text, find(text))
    assert "c3Vw" not in clean
    assert "tail" not in clean
    assert clean.endswith("kind: Job\n")


def test_a_value_is_taken_out_where_no_name_stands_beside_it() -> None:
    value = "vK7#" + "qLw9Tz4x"
    text = f'password = "{value}"\nlogin("keeper", "{value}")\nmysql -p{value} harbour\n'
    assert [f.line for f in find(text)] == [1, 2, 3]
    assert value not in redact(text, find(text))
    known = values(text)
    assert list(known) == [value]
    assert blacked_out(f"it was {value}.", known) == "it was [removed: password-or-key]."
    assert blacked_out(f"it was {value}.") == f"it was {value}."


@pytest.mark.parametrize("name", ["refresh_token_2", "_RSAPrivateKey", "oauth2.client7", "swordfish-7"])
def test_words_and_names_are_not_taken_out_everywhere(name: str) -> None:
    text = f'secret_name_1 = "{name}"\nthe {name} of the harbour\n'
    assert not [f for f in find(text) if f.line == 2]


def test_a_service_is_named_by_its_setting() -> None:
    value = Maker(4).letters(30) + "42"
    assert [f.kind for f in find(f'algolia = "{value}"')] == ["algolia-key"]
    assert [f.kind for f in find(f'MY_DATADOG_SECRET: "{value}"')] == ["datadog-key"]
    assert find(f'in_blob = "{value}"') == []
    assert find(f'algolia_sha = "{value}"') == []


def test_every_entry_of_a_secret_of_kubernetes_goes() -> None:
    text = "kind: Secret\nmetadata:\n  name: a\ndata:\n  one: c3VwZXJzZWNyZXQ=\n  two: aGVsbG8gd29ybGQ=\n"
    clean = redact(text, find(text))
    assert "c3Vw" not in clean
    assert "aGVs" not in clean
    assert clean.count("\n") == text.count("\n")


HARMLESS = [
    "integrity sha512-" + "Ab3+" * 21 + "Zw==",
    "id: 550e8400-e29b-41d4-a716-446655440000",
    "key: MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1Olb3zMAFFxXKHiIkQO5cJ3Y",
    "[the-secret-number]: ch02-00-guessing-game-tutorial.html#a-secret-number-2",
    "migrations/20250814_create_api_tokens_table.sql:49:COMMENT",
    "anthropic.claude-3-opus-20240229-v1:0 and anthropic-beta: output-128k-2025-02-19",
    "GitHub: github.com/acme42/go-fsnotify-recursively",
    "the token is checked by base64url2decode() first",
    "docker run -u 1000:1000 image",
    "token: [REDACTED:gcp-api-key-2]",
    "password = os.environ['DB_PASSWORD']",
    'password = os.getenv("DB_PASSWORD_2024")',
    "apiKey: import.meta.env.VITE_FIREBASE_API_KEY_1,",
    "def get_api_key(self, name: str) -> str:",
    'API_KEY = "your_api_key_here"',
    'token = "<your-token-1234>"',
    "password: ${DB_PASSWORD_1}",
    "password: {{ vault_password_1 }}",
    "DB_PASSWORD=changeme123",
    'password="xxxxxxxxxxxx1"',
    'secret = "********1"',
    "token = tokenizer.encode(text2)",
    "the secret to good tests is speed2night",
    "max_tokens=4096, token_count=12345678",
    'fake_secret_token = "coneofsilence"',
    '"hashed_password": "fakehashedsecret2",',
    '"password": "$argon2id$v=19$m=65536,t=3,p=4$wagCPXjifgvUFBzq4hqe3w$CYaIb8sB"',
    'tokenUrl="https://example.com/oauth/token2"',
    "password_file: /run/secrets/db_password_1",
    "secretName: my-tls-secret-2",
    "client.post('/token', data={'grant_type': 'password'})",
    "access_token_expires = timedelta(minutes=ACCESS_TOKEN_EXPIRE_MINUTES)",
    "private_key_path = '~/.ssh/id_ed25519'",
    "AKIA is the prefix of AWS key ids",
    "AKIA" + "IOSFODNN7EXAMPLE",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY",
    "ghp_" + "x" * 36,
    "sk-ant-api03-" + "your-key-goes-here-" * 3,
    "AIza" + "Sy" + "." * 33,
    "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PUBLIC KEY-----\n" + "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA" * 2,
    "commit " + "0a1b2c3d4e" * 4,
    "sha256:" + "9f86d081884c7d65" * 4,
    "123e4567-e89b-12d3-a456-426614174000",
    "postgresql+psycopg://postgres:postgres@localhost/db",
    "postgres://user:password@host:5432/name",
    "redis://:${REDIS_PASSWORD}@cache:6379/0",
    'f"postgres://app:{make_password(14)}7x@db.internal/prod"',
    "https://user:pass1word2@example.com/",
    "http://127.0.0.1:8000/items/?skip=0&limit=10",
    "git@github.com:acme/repo.git and ssh://git@acme.io:22/x",
    "Authorization: Bearer <token>",
    "Bearer token auth is used by the gateway",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHk2 me@host",
    "task-runner, desk-organizer, risk-assessment-and-management-of-everything",
]


@pytest.mark.parametrize("line", HARMLESS)
def test_what_only_looks_like_a_secret_is_left_alone(line: str) -> None:
    assert find(line) == []


def test_the_sample_tokens_of_documentation_are_known() -> None:
    sample = (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwi"
        "aWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
    )
    assert find(f"It looks like this:\n\n{sample}\n") == []
    published = "09d25e094faa6ca2556c" + "818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7"
    assert find(f'SECRET_KEY = "{published}"') == []
    assert len(find(f'SECRET_KEY = "{published[::-1]}"')) == 1


def test_a_finding_says_where_and_never_what() -> None:
    secret = HIGH["github-token"](Maker(1))
    text = f"one\r\ntwo\r\ntoken: {secret} end\r\n{secret}"
    found = find(text)
    assert [f.line for f in found] == [3, 4]
    assert [text[f.start : f.end] for f in found] == [secret, secret]
    assert secret not in repr(found)
    assert secret[4:] not in repr(found)


def test_redaction_leaves_the_kind_and_the_lines() -> None:
    maker = Maker(2)
    key = HIGH["private-key"](maker)
    token = HIGH["stripe-key"](maker)
    text = f"a\n{key}\nb {token} c\n"
    found = find(text)
    clean = redact(text, found)
    assert [f.kind for f in found] == ["private-key", "stripe-key"]
    assert clean == "a\n[removed: private-key]" + "\n" * key.count("\n") + "\nb [removed: stripe-key] c\n"
    assert clean.count("\n") == text.count("\n")
    assert find(clean) == []
    assert redact("nothing here", []) == "nothing here"


@pytest.mark.parametrize(
    "name",
    [
        ".env", ".env.local", "prod.env", ".ENV", ".envrc", "id_rsa", "id_ed25519", "id_ecdsa_work",
        "id_rsa.bak", "server.pem", "tls.key", "a.p12", "a.pfx", "a.jks", "vault.kdbx", ".netrc", ".npmrc",
        ".pypirc", ".git-credentials", ".pgpass", ".htpasswd", "etc/shadow", ".aws/credentials",
        "credentials.json", "client_secret_123.json", "kubeconfig", ".kube/config", ".docker/config.json",
        "terraform.tfstate", "secrets.yaml", "deploy.kubeconfig", "home/.ssh/config",
    ],
)  # fmt: skip
def test_files_that_are_secrets_by_name(name: str) -> None:
    reason = refused_name(PurePath("project") / name)
    assert reason is not None
    assert reason.startswith("secret file: ")


@pytest.mark.parametrize(
    "name",
    [
        ".env.example", ".env.sample", ".env.template", "id_rsa.pub", "id_ed25519.pub", "environment.md",
        "keys.md", "credentials.md", "id_rsa_test.py", "config", "docker/config.json", "shadow.css",
        "keyboard.txt", "monkey.py", "ssh/config.md", "secrets.py", "README.md", "key", "env",
    ],
)  # fmt: skip
def test_files_that_are_no_secrets_by_name(name: str) -> None:
    assert refused_name(PurePath("project") / name) is None
