"""The extractor on lines as developers write them: each line with what should come of it."""

from __future__ import annotations

import pytest

from nexus.cortex.evaluation.labelled_lines import Half, lines, outcome
from nexus.cortex.extractor import MAX_CHARS, is_pasted, propose

TEACHES = [
    ("Remember: the staging database listens on port 6543.", "explicit_note"),
    ("note: CI runs on self-hosted arm64 runners, not on GitHub's", "explicit_note"),
    ("please remember that the invoices table is partitioned by month", "explicit_note"),
    ("Keep in mind that prod deploys are frozen on Fridays.", "explicit_note"),
    ("FYI: `make e2e` wants Docker running first", "explicit_note"),
    ("ok so the issue was a stale symlink in node_modules/.bin", "verified_fix"),
    ("The upload error was fixed by pinning urllib3 to 1.26 in requirements.txt", "verified_fix"),
    ("The flaky login test was fixed by freezing the clock in conftest.py.", "verified_fix"),
    ("root cause was the nginx proxy_read_timeout of 30s", "verified_fix"),
    ("the fix was to set PYTHONHASHSEED=0 in tox.ini", "verified_fix"),
    ("turns out the webhook handler runs twice when Stripe retries", "discovery"),
    ("I found that pytest-xdist hides the real traceback of the fixtures", "discovery"),
    ("We discovered that the S3 client ignores AWS_PROFILE inside Lambda.", "discovery"),
    ("The build requires libpq-dev and Python 3.11.", "requirement"),
    ("the ios app needs Xcode 16 to compile", "requirement"),
    ("Our migrations depend on the pgcrypto extension, the test db needs it too", "requirement"),
    ("the worker won't start without REDIS_URL", "requirement"),
    ("Always run `alembic upgrade head` before the integration tests.", "rule"),
    ("Never commit directly to main.", "rule"),
    ("we never use print for logging in this repo, only structlog", "rule"),
    ("API responses must be snake_case", "rule"),
    ("All migrations must have a downgrade step", "rule"),
    ("please never touch generated files under src/gen", "rule"),
    ("the auth service uses Argon2id with 3 iterations", "fact"),
    ("Our frontend is deployed to Cloudflare Pages from the release branch.", "fact"),
    ("the admin API listens on 8443", "fact"),
    ("we use pnpm, not npm, in this repo", "fact"),
    ("the nightly job runs on the machine called Hecate", "fact"),
    ("Config lives in /etc/acme/agent.toml", "fact"),
]
TEACHES_NOTHING = [
    "I never said that",
    "Fixed by pinning urllib3 to 1.26 in requirements.txt",
    "it uses a lot of words",
    "can you fix the failing test in test_auth.py?",
    "why does the build need libpq-dev",
    "If we used Redis here, the worker would need REDIS_URL.",
    "I always forget how this API works",
    "never mind, the test passes now",
    "that must be a bug in the parser",
    "this function needs some work",
    "I need you to refactor the config module",
    "we need to talk about the deploy pipeline",
    "You must have missed the second error in the log",
    "maybe the issue was the cache",
    "the issue was opened by a user last week",
    "the bug is still not fixed by that commit",
    "use the new API client in the worker please",
    "let's use Postgres for this",
    "it always fails on CI",
    "The tests never finished yesterday.",
    "he said the build requires Java 17",
    "thanks, that fixed it!",
    "do you remember the time the server went down",
    "remember to push the branch when you are done",
    "I think the API expects JSON",
    "what is the port of the staging database",
    "add a note: field to the schema and update the tests?",
    "the code uses it everywhere",
    "She never writes tests for the parser",
    "ok now run the tests again and show me the output",
    'the log says "always use HTTPS for this endpoint"',
    "this needs to be merged before the release",
    "this PR needs a review",
    "Could you make sure it never returns None",
    "as always the CI is red",
    "hmm it seems the server returns 502",
    "there must be something wrong with the token",
    "write a function that always returns 42",
    "we always end up debugging the same module",
    "would it help if the client always retried?",
    "I'm using VS Code on my laptop",
]


@pytest.mark.parametrize(("line", "category"), TEACHES)
def test_a_line_that_teaches_is_proposed_with_its_category(line: str, category: str) -> None:
    assert [p.category for p in propose(line)] == [category]


@pytest.mark.parametrize("line", TEACHES_NOTHING)
def test_ordinary_talk_gives_nothing(line: str) -> None:
    assert propose(line) == []


def test_a_proposal_is_a_slice_with_a_confidence_of_the_seed() -> None:
    text = "Hi there!\n\n- Never commit directly to main.\nThe fix was to set FOO=1 in tox.ini. Bye."
    found = propose(text)
    assert [p.learning for p in found] == [
        "Never commit directly to main.",
        "The fix was to set FOO=1 in tox.ini.",
    ]
    assert [text[p.start : p.end] for p in found] == [p.learning for p in found]
    assert [p.confidence for p in found] == ["medium", "high"]
    assert all(p.reason for p in found)


def test_roles_are_heard_differently() -> None:
    fix = "The issue was a stale lock file in /var/run."
    rule = "Always run the migrations before the tests."
    assert [p.category for p in propose(f"{fix}\n{rule}", "assistant")] == ["verified_fix"]
    assert propose(f"{fix}\n{rule}", "tool") == []
    assert len(propose(f"{fix}\n{rule}", "user")) == 2


def test_code_quotes_and_pasted_output_are_not_heard() -> None:
    text = (
        "```python\n# always close the database session\n```\n"
        "> Never deploy the API on Friday.\n"
        "    # the worker requires Redis 7\n"
        "$ echo always run the tests\n"
    )
    assert propose(text) == []


def test_the_same_sentence_is_proposed_once() -> None:
    assert len(propose("Never commit to main.\nnever commit to  main.")) == 1


def test_a_sentence_with_a_secret_is_never_proposed() -> None:
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    assert propose(f"Remember: the deploy token is {token}") == []
    assert propose("Remember: the admin password = 'Vq8#kd02-Lm'") == []


def test_a_rambling_sentence_is_not_cut_but_left_out() -> None:
    assert propose("Remember: " + "the API is slow " * (MAX_CHARS // 10)) == []


@pytest.mark.parametrize("text", ["", " ", "?", "```", "\x00\ud7ff\U0001f600", "always " * 50_000])
def test_odd_text_is_survived(text: str) -> None:
    assert propose(text) == []


@pytest.mark.parametrize(("half", "least"), [("development", 14), ("held_out", 6)])
def test_nine_of_ten_proposals_from_real_sessions_are_good(half: Half, least: int) -> None:
    found = outcome(half)
    assert found.precision >= 0.9
    assert found.right >= least
    assert found.found >= 0.3


def test_at_least_300_real_lines_are_labelled() -> None:
    halves = [lines("development"), lines("held_out")]
    assert sum(map(len, halves)) >= 300
    files = [{row["file"] for row in half} for half in halves]
    assert not files[0] & files[1]


PASTED = (
    "# Conventions\n\nThe worker requires Redis 7.\nNever commit directly to main.\nNote: the API is slow.\n"
)


def test_a_pasted_document_is_not_the_users_own_word() -> None:
    assert is_pasted(PASTED)
    assert propose(PASTED) == []
    assert [p.category for p in propose(PASTED, pasted=False)] == ["requirement", "rule", "explicit_note"]


def test_what_a_person_asks_to_remember_is_heard_below_a_document_too() -> None:
    found = propose(PASTED + "\nRemember: the staging database listens on port 6543.")
    assert [p.learning for p in found] == ["Remember: the staging database listens on port 6543."]


def test_the_words_that_lead_in_are_left_out() -> None:
    text = "yes, so the root cause was the nginx proxy_read_timeout of 30s"
    (found,) = propose(text)
    assert found.learning == "the root cause was the nginx proxy_read_timeout of 30s"
    assert text[found.start : found.end] == found.learning
