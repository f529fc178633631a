"""Contradictions: the same subject with another value, or once affirmed and once denied."""

from __future__ import annotations

import pytest

from nexus.cortex.contradiction import contradicts

AGAINST = [
    ("staging db is on 6543", "staging db is on 5432"),
    ("Our staging database listens on port 6543", "the staging db is on 5432"),
    ("Never commit directly to main.", "Always commit directly to main."),
    ("we use pnpm, not npm, in this repo", "we use npm in this repo"),
    ("deploys happen on Fridays", "deploys happen on Mondays"),
    ("indent with tabs", "indent with spaces"),
    ("the build needs Python 3.11", "the build needs Python 3.12"),
    ("CI caching is enabled", "CI caching is disabled"),
    ("the API is hosted on Heroku", "the API is hosted on Fly"),
    ("Config lives in /etc/acme/agent.toml", "Config lives in /opt/acme/agent.toml"),
    ("do not run the migrations before the tests", "run the migrations before the tests"),
    ("API responses must be snake_case", "API responses must be camelCase"),
    ("The project no longer uses Redis", "The project uses Redis"),
    ("the default branch is main", "the default branch is master"),
    ("the release owner is Ana", "the release owner is Boris"),
    ("logs are kept for 30d", "logs are kept for 90d"),
    ("migrations run before deploy", "migrations run after deploy"),
]
SIDE_BY_SIDE = [
    ("staging db is on 6543", "production db is on 5432"),
    ("the admin API listens on 8443", "the public API listens on 443"),
    ("the auth service uses Argon2id", "the auth service uses Redis"),
    ("Never commit directly to main.", "Never force-push to main."),
    ("the build needs Python 3.11", "the build needs libpq-dev"),
    ("unit tests take 30 seconds", "integration tests take 10 minutes"),
    ("the frontend is deployed to Cloudflare Pages", "the backend is deployed to Fly"),
    ("the worker needs REDIS_URL", "the worker needs DATABASE_URL"),
    ("the session timeout is 30 minutes", "the request timeout is 15 seconds"),
    ("we never use print for logging, only structlog", "logging is done with structlog"),
    ("the API returns 404 for unknown ids", "the API returns 401 without a token"),
    ("staging Postgres listens on port 6543", "staging Redis listens on port 6379"),
    ("we use Postgres 16", "we use Redis 7"),
    ("the release branch is cut on Monday", "the release notes are written on Friday"),
    ("Service A listens on 8001", "Service B listens on 8002"),
    ("commit to main triggers the deploy", "never commit to main without review"),
    ("staging db is on 6543", "staging db is on 6543"),
    ("", "staging db is on 6543"),
]


@pytest.mark.parametrize(("one", "other"), AGAINST)
def test_two_that_cannot_both_be_true(one: str, other: str) -> None:
    assert contradicts(one, other)
    assert contradicts(other, one)


@pytest.mark.parametrize(("one", "other"), SIDE_BY_SIDE)
def test_two_that_may_both_be_true(one: str, other: str) -> None:
    assert not contradicts(one, other)
    assert not contradicts(other, one)


@pytest.mark.parametrize("text", ["\x00", "`", "not", "!!!", "no no no", "é" * 4000, "1 2 3"])
def test_odd_text_is_survived(text: str) -> None:
    assert contradicts(text, "the API is on port 80") in (True, False)
