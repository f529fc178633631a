"""Credentials known by the name beside them: `password = "..."`, `"stripe_key": "..."`, a password in a URL.

Says where a value stands and whether it looks like a secret; a value is never kept. Invariant: every
repetition is bounded, so the work per name is too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

_OWNERS = (
    "api", "access", "private", "signing", "encryption", "master", "account", "auth", "license",
    "session", "service", "admin", "client", "storage", "deploy", "webhook", "secret", "project",
)  # fmt: skip
_TELLING = (
    "password", "passwd", "passwort", "passphrase", "passcode", "pwd", "secret", "token", "credential",
    *(owner + joint + "key" for owner in _OWNERS for joint in ("", "_", "-", ".", " ")),
)  # fmt: skip
_HALF_TELLING = ("pass", "auth", "key", "creds")
_PASSWORDS = {"password", "passwd", "passwort", "passphrase", "passcode", "pwd", "pass"}

ISSUERS = (
    "adafruit", "adobe", "airtable", "algolia", "alibaba", "amplitude", "anthropic", "appveyor",
    "artifactory", "asana", "assemblyai", "atlassian", "auth0", "azure", "bamboo", "beamer", "bintray",
    "bitbucket", "bitly", "bitrise", "bittrex", "braintree", "brevo", "bugsnag", "buildkite", "bundle_",
    "calendly", "circleci", "clearbit", "clickup", "cloudant", "cloudflare", "cloudinary", "cloudsmith",
    "codecov", "cohere", "coinbase", "confluence", "confluent", "consul", "contentful", "contribsys",
    "datadog", "deepgram", "deepl", "deepseek", "digitalocean", "discord", "disqus", "docusign", "drone",
    "dropbox", "easypost", "elastic", "etherscan", "etsy", "eventbrite", "facebook", "fastly",
    "finicity", "finnhub", "firebase", "flickr", "foursquare", "freshbooks", "freshdesk", "fullstory",
    "gemini", "giphy", "github", "gitlab", "gitter", "gocardless", "godaddy", "grafana", "groq",
    "helpscout", "heroku", "hetzner", "honeybadger", "hubspot", "huggingface", "ibm", "infobip",
    "infura", "instagram", "intercom", "intuit", "ipinfo", "ipstack", "jenkins", "jfrog", "jira",
    "jumpcloud", "keen.io", "klaviyo", "kraken", "kucoin", "launchdarkly", "linear", "linked-in",
    "linked_in", "linkedin", "linode", "lob", "logdna", "logzio", "lokalise", "looker", "mailchimp",
    "mailgun", "mailjet", "mapbox", "mapquest", "mattermost", "maxmind", "meraki", "message-bird",
    "message_bird", "messagebird", "microsoft", "mistral", "mixpanel", "monday", "netlify", "new-relic",
    "new-york-times", "new_relic", "new_york_times", "newrelic", "newyorktimes", "nexmo", "nomad",
    "notion", "nytimes", "okta", "onelogin", "onesignal", "openai", "openweather", "opsgenie",
    "optimizely", "pagerduty", "paypal", "paystack", "pinterest", "pipedrive", "pivotal", "plaid",
    "postmark", "private-ai", "private_ai", "privateai", "pubnub", "pusher", "quickbooks", "rapidapi",
    "recaptcha", "reddit", "rollbar", "salesforce", "scaleway", "segment", "sendbird", "sendgrid",
    "sendinblue", "sentry", "shodan", "shopify", "sidekiq", "slack", "snowflake", "snyk", "softlayer",
    "sonar", "sourcegraph", "splunk", "spotify", "square", "squarespace", "statuspage", "strava",
    "stripe", "sumo", "telegr", "todoist", "travis", "trello", "tumblr", "twilio", "twitch", "twitter",
    "typeform", "uber", "vercel", "vimeo", "vonage", "vultr", "wakatime", "weatherstack", "webex",
    "webflow", "wepay", "xray", "yahoo", "yandex", "yelp", "youtube", "zapier", "zendesk", "zoho",
    "zoom",
)  # fmt: skip
"""Names of services. One of these beside a random value makes it theirs, whatever the setting is called."""

NAMES = tuple({**dict.fromkeys(_TELLING), **dict.fromkeys(_HALF_TELLING), **dict.fromkeys(ISSUERS)})

_REST = r"(?P<rest>[A-Za-z0-9_.-]{0,40}+)"
_QUOTE = r"\\{0,3}[\"'`]"
_SET = r"(?::[ \t]{0,4}[A-Za-z.]{1,20}[ \t]{0,4}=|[:?|.+]{0,3}={1,3}>?|:(?!:))"
_QUOTED = rf"(?P<quote>{_QUOTE})(?P<value>[^\s\"'`]{{8,4000}}?)(?P=quote)"
_BARE = r"[^\s\"'`,;(){}\[\]<>\\]{8,200}"
_REMAINDER = re.compile(r"[^\s\"'`,;(){}\[\]<>\\]*")


class _Form(NamedTuple):
    """A way to write a name and its value. `strict`: only a random value counts; `bare`: no quotes.

    `said`: in a sentence, where a password need not be random.
    """

    pattern: re.Pattern[str]
    strict: bool = False
    bare: bool = False
    said: bool = False


_FORMS = (
    _Form(re.compile(rf"{_REST}(?:{_QUOTE})?\]?[ \t]{{0,30}}{_SET}[ \t]{{0,30}}{_QUOTED}")),
    _Form(
        re.compile(
            rf"{_REST}(?:{_QUOTE})?\]?[ \t]{{0,30}}{_SET}[ \t]{{0,30}}(?P<value>{_BARE})(?P<after>[\[({{]?)"
        ),
        bare=True,
    ),
    _Form(re.compile(rf"{_REST}(?:{_QUOTE})?[ \t]{{0,4}}[(,][ \t]{{0,4}}{_QUOTED}"), strict=True),
    _Form(re.compile(rf"{_REST}>\s{{0,40}}(?P<value>{_BARE})(?=\s{{0,40}}</)")),
    _Form(
        re.compile(
            rf"{_REST}(?:{_QUOTE})?(?:,|\s)\s{{0,40}}(?:{_QUOTE})?value(?:{_QUOTE})?[ \t]?[:=][ \t]?"
            rf"(?:{_QUOTE})?(?P<value>{_BARE})"
        ),
        bare=True,
    ),
    _Form(
        re.compile(rf"{_REST}(?:{_QUOTE})?[ \t]?:[ \t]{{0,4}}[|>][+-]?\r?\n[ \t]{{1,40}}(?P<value>{_BARE})"),
        bare=True,
    ),
    _Form(
        re.compile(
            r"(?P<rest>)(?: (?:for|of|on|to|here|now)(?: [\w@./'-]{1,40}){0,4}?)? (?:is|was|to|=)[ :]{1,3}"
            rf"[\"'`*]{{0,3}}(?P<value>{_BARE})"
        ),
        strict=True,
        bare=True,
        said=True,
    ),
)

# Values printed in public documentation, by hash, so that this file holds none of them.
_PUBLISHED = {
    # SECRET_KEY of the FastAPI tutorial
    "570dad43de1af4c925f92c16a68a50936da42b7dd6fdeb24850507a1199aac89",
}
SEQUENCES = ("1234567890", "0123456789", "abcdefgh", "ABCDEFGH", "12345678")
_PLACEHOLDER = re.compile(
    r"(?i)^(?:your|my[-_]|the[-_]|some|insert|change|replace|example|sample|dummy|fake|foo|bar|demo|"
    r"placeholder|redacted|removed|hidden|masked|censored|secret|password|passw|token|none|null|true|"
    r"false|undefined|default|test|admin|hunter2|letmein|qwerty|todo|process\.env|os\.environ|"
    r"import\.meta|env\.|config\.|settings\.|self\.|this\.|request\.|getenv|vault:|ref:|file:|arn:)|"
    r"[-_](?:here|key|placeholder|example|goes[-_]here)$|xxxx|redacted|\*\*\*|\.\.\.|…|example|\$[A-Za-z_{(]|\{\{|\{[a-z_]|%\(|<[a-z]"
)
_HASH = re.compile(
    r"\$(?:argon2|2[abxy]?\$|[156]\$|scrypt|pbkdf2)|pbkdf2[_:]|\{(?:SSHA|SHA|CRYPT)|sha\d{1,3}[-:]"
)
_OTHER_THING = re.compile(
    r"(?i)(?:ur[li]|uri|type|name|file|path|dir|folder|ids?|count|limit|len|length|size|hash(?:ed)?|algorithm|"
    r"endpoint|field|header|prefix|suffix|regex|pattern|policy|arn|version|label|hint|param|params|format|scopes?|"
    r"error|status|expir\w*|ttl|age|timeout|minutes|seconds|class|model|schema|form|input|prompt|manager|store|"
    r"provider|budget|index|usage|bytes|_?izer|ized?|iz\w+|s|\.(?:sql|py|go|[jt]sx?|md|rs|java|json|ya?ml|txt|c|h|cpp|rb|php))$"
)
_NO_KEY = re.compile(
    r"(?i)sha|hash|digest|commit|rev|checksum|integrity|etag|url|host|version|image|build|font|color|css|"
    r"id$|ref$|tag$|model|price|config|product|plan|header|beta|branch|public|zone|region|cache|primary|foreign|sort|sign|trace|span|request|uuid|email|user"
)
_SLUG = re.compile(r"[A-Za-z]+\d{0,3}(?:[-_./:@]{1,3}[A-Za-z]+\d{0,3}|[-_./:@]\d{1,4})*(?:\(\))?")
_NOT_THIS = re.compile(r"(?:hashed|fake|example|dummy|max|num|csrf|public|publickey|sample)[_-]?$")
_KEY_LETTERS = re.compile(r"[\w=+/.~|-]+")
_WORDS = re.compile(r"(?:(?:[A-Za-z]+\d{0,4}|\d{1,4}[A-Za-z]{1,2}|\d+)(?:[-_./+]+|$))+")
_HEX = re.compile(r"[A-Fa-f0-9-]{32,}")
_PUBLIC_KEYS = (
    "MFkwEwYHKoZIzj0C",
    "MIIBIjANBgkq",
    "MIICIjANBgkq",
    "MCowBQYDK2Vw",
    "ssh-",
    "AAAAB3Nza",
    "AAAAC3Nza",
)
_PLAIN = re.compile(r"[a-z0-9]{16,}|[A-Z0-9]{16,}|[A-Za-z0-9]{20,}")
_PAGE = re.compile(r"(?i)\.(?:html?|md|rst|png|svg|jpe?g|css)(?:[#?]|$)")
_LETTER_KINDS = tuple(map(re.compile, (r"[a-z]", r"[A-Z]", r"\d", r"[\W_]")))
_DATED = re.compile(r"\d{4}-\d\d-\d\d|v?\d{1,4}\.\d{1,4}\.")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")

URL_PASSWORD = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{1,30}|)://(?P<user>[^\s/:@\"'<>`]{0,80}):"
    r"(?P<value>[^\s/@\"'<>`]{3,120})@(?P<host>[A-Za-z0-9\[%_-][^\s/:@\"'<>`,)]{0,252}|(?=[\s\"'`]|$))"
)
_HEX_USER = re.compile(r"[A-Fa-f0-9]{8,64}")
_DATABASES = ("postgres", "mysql", "mariadb", "mongodb", "redis", "amqp", "mssql", "oracle", "cockroach")
_EXAMPLE_HOST = re.compile(
    r"(?i)(?:^|\.)(?:example|test|invalid|local)(?:\.(?:com|org|net))?$|^(?:host|hostname|server)$"
)
_WEAK = {
    "pass", "password", "passwd", "pwd", "secret", "postgres", "root", "admin", "user", "guest",
    "test", "example", "changeme", "mysql", "mongo", "redis", "rabbitmq", "foo", "bar", "xxx",
}  # fmt: skip
_LOCAL = {"localhost", "127.0.0.1", "db", "postgres", "redis", "mysql"}

Span = tuple[int, int, str, str]
"""start, end, kind, confidence."""


def in_url(text: str, position: int) -> Span | None:
    """The password of the URL whose `://` stands at `position`."""
    start = position
    while start > 0 and position - start < 30 and _scheme_letter(text[start - 1]):
        start -= 1
    while start < position and not text[start].isalpha():
        start += 1
    match = URL_PASSWORD.match(text, start)
    if match is None:
        return None
    value, host = match["value"], match["host"]
    if value.lower() in _WEAK or value == match["user"] or _PLACEHOLDER.search(value):
        return None
    if _EXAMPLE_HOST.search(host) or len(value) < 5:
        return None
    database = match["scheme"].lower().startswith(_DATABASES)
    kind = "database-password" if database else "password-in-url"
    sure = host not in _LOCAL and len(set(value)) > 4 and not value.isalpha()
    # A user that is a number of its own belongs to the credential.
    part = "user" if _HEX_USER.fullmatch(match["user"]) else "value"
    return match.start(part), match.end("value"), kind, "high" if sure else "low"


def _scheme_letter(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character in "+.-")


def after_name(text: str, lowered: str, start: int, name: str) -> Iterator[Span]:
    """The value that is given to a setting whose name has `name` at `start`."""
    telling = name in _TELLING_SET or name == "pass"
    end = start + len(name)
    if name in _HALF_TELLING and not _stands_alone(lowered, start, end):
        return
    if name in _ISSUER_SET and lowered[max(0, start - 1) : start].isalpha() and text[start].islower():
        return  # `blob` is not `lob`, and `hasSlackKey` is of Slack
    for form in _FORMS:
        match = form.pattern.match(text, end)
        if match is None:
            continue
        rest, value, at = match["rest"], match["value"], match.start("value")
        if form.bare:
            value = value.rstrip(".,:!?*")
            if match.groupdict().get("after") or not _bare_is_value(value):
                continue
        before = lowered[max(0, start - 24) : start]
        if _NOT_THIS.search(before):
            return
        strict = not (form.said and name in _PASSWORDS) and (form.strict or not telling)
        if strict and not telling and _NO_KEY.search(before[-12:] + rest):
            return
        if telling and _OTHER_THING.search(rest):
            return
        if is_random(value) if strict else looks_secret(value):
            end = at + len(value)
            if form.bare and len(value) > 190:  # judged by its beginning, taken as a whole
                found = _REMAINDER.match(text, end)
                end = found.end() if found else end
            yield at, end, *_kind(before + name + rest.lower(), value)
            return


def _stands_alone(lowered: str, start: int, end: int) -> bool:
    """Whether a short name is a word of its own: `db_pass`, not `passenger` or `monkey`."""
    before, after = lowered[max(0, start - 2) : start], lowered[end : end + 1]
    return not after.isalpha() and (not before[-1:].isalpha() or before == "db")


def _kind(setting: str, value: str) -> tuple[str, str]:
    if "aws" in setting and re.fullmatch(r"[A-Za-z0-9/+=]{40}", value) and "EXAMPLE" not in value:
        return "aws-secret-key", "high" if entropy(value) > 3.5 else "low"
    for issuer in ISSUERS:
        if issuer in setting:
            return f"{issuer.strip('_').replace('_', '-').replace('.', '-')}-key", "low"
    return "password-or-key", "low"


def _bare_is_value(value: str) -> bool:
    digits = sum(c.isdigit() for c in value)
    random = digits >= 2 or (digits == 1 and len(value) >= 12)
    return random and not _DOTTED.fullmatch(value)


def published(value: str) -> bool:
    """Whether public documentation prints this value."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest() in _PUBLISHED


def is_sample_token(value: str) -> bool:
    """Whether a JSON web token is about nobody: the sample subject that documentation uses."""
    body = value.split(".")[1] if "." in value else ""
    try:
        claims = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        return False
    return b"1234567890" in claims or b"John Doe" in claims or b"johndoe" in claims


def is_name(value: str) -> bool:
    """Whether a value is made of words, each with a number at most: what code is full of."""
    return _WORDS.fullmatch(value) is not None


def looks_secret(value: str) -> bool:
    """Whether the value of a setting with a telling name is a secret, and no example, path or word."""
    if len(value) < 8 or _no_value(value):
        return False
    if value.isdigit():
        return len(value) >= 14 and len(set(value)) > 5
    if value.isalpha() or sum(kind.search(value) is not None for kind in _LETTER_KINDS) < 2:
        return False
    return entropy(value) >= (2.9 if len(value) < 12 else 3.0)


def is_random(value: str) -> bool:
    """Whether a value is drawn at random: what a setting with an ordinary name must have to count."""
    if len(value) < 14 or _no_value(value) or len(set(value)) < 7:
        return False
    if value.isdigit():
        return True
    if _KEY_LETTERS.fullmatch(value) is None or value.isalpha() or value.startswith(_PUBLIC_KEYS):
        return False
    if is_name(value) and not _HEX.fullmatch(value):
        return False
    digits = sum(c.isdigit() for c in value)
    if digits < (1 if _PLAIN.fullmatch(value) else 2) or digits < len(value) // 24:
        return False
    return entropy(value) >= 3.0


def _no_value(value: str) -> bool:
    return (
        _PLACEHOLDER.search(value) is not None
        or _HASH.match(value) is not None
        or "://" in value
        or value.startswith(("/", "./", "../", "~/", "#", "@", "$", "%", "&"))
        or any(s in value for s in SEQUENCES)
        or _SLUG.fullmatch(value.lstrip("-")) is not None
        or _DATED.match(value) is not None
        or _PAGE.search(value) is not None
        or published(value)
        or (value.startswith("eyJ") and is_sample_token(value))
    )


def entropy(value: str) -> float:
    """Bits per character, from how often each occurs."""
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values())


_TELLING_SET = frozenset(_TELLING)
_ISSUER_SET = frozenset(ISSUERS)
