"""Made-up credentials in the shape of each issuer, random for each seed, so that none is written here."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable

_LETTERS = string.ascii_letters + string.digits
_URL_SAFE = _LETTERS + "-_"
_HEX = "0123456789abcdef"
_UPPER = string.ascii_uppercase + string.digits


class Maker:
    """Draws the parts of a credential."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def letters(self, count: int, alphabet: str = _LETTERS) -> str:
        return "".join(self.random.choice(alphabet) for _ in range(count))

    def hex(self, count: int) -> str:
        return self.letters(count, _HEX)

    def safe(self, count: int) -> str:
        return self.letters(count - 1, _URL_SAFE) + self.letters(1)

    def upper(self, count: int) -> str:
        return self.letters(count, _UPPER)

    def digits(self, count: int) -> str:
        return self.letters(count, "123456789")

    def base64(self, count: int) -> str:
        return base64.b64encode(self.random.randbytes(count)).decode()

    def jwt(self) -> str:
        body = json.dumps({"sub": self.letters(12), "iat": 1}).encode()
        parts = [b'{"alg":"HS256","typ":"JWT"}', body]
        head = [base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts]
        return ".".join([*head, self.safe(43)])

    def pem(self, name: str) -> str:
        lines = "\n".join(self.letters(64) for _ in range(6))
        return f"-----BEGIN {name}-----\n{lines}\n-----END {name}-----"


HIGH: dict[str, Callable[[Maker], str]] = {
    "aws access key": lambda m: "AKIA" + m.letters(16, string.ascii_uppercase + "234567"),
    "aws secret key": lambda m: 'aws_secret_access_key = "' + m.letters(40) + '"',
    "google api key": lambda m: "AIza" + m.safe(35),
    "google oauth secret": lambda m: "GOCSPX-" + m.safe(28),
    "google access token": lambda m: "ya29." + m.safe(60),
    "azure storage key": lambda m: "AccountKey=" + m.base64(64),
    "azure client secret": lambda m: m.letters(3) + "8Q~" + m.letters(34),
    "alibaba access key": lambda m: "LTAI" + m.letters(20),
    "digitalocean token": lambda m: "dop_v1_" + m.hex(64),
    "cloudflare origin key": lambda m: f"v1.0-{m.hex(24)}-{m.hex(146)}",
    "github token": lambda m: "ghp_" + m.letters(36),
    "github fine-grained token": lambda m: f"github_pat_{m.letters(22)}_{m.letters(59)}",
    "gitlab token": lambda m: "glpat-" + m.safe(20),
    "npm token": lambda m: "npm_" + m.letters(36),
    "pypi token": lambda m: "pypi-AgEIcHlwaS5vcmc" + m.safe(70),
    "rubygems key": lambda m: "rubygems_" + m.hex(48),
    "docker token": lambda m: "dckr_pat_" + m.safe(27),
    "artifactory key": lambda m: "AKCp" + m.letters(69),
    "postman key": lambda m: f"PMAK-{m.hex(24)}-{m.hex(34)}",
    "pulumi token": lambda m: "pul-" + m.hex(40),
    "terraform token": lambda m: f"{m.letters(14)}.atlasv1.{m.safe(67)}",
    "vault token": lambda m: "hvs." + m.safe(95),
    "databricks token": lambda m: "dapi" + m.hex(32),
    "grafana token": lambda m: f"glsa_{m.letters(32)}_{m.hex(8)}",
    "new relic key": lambda m: "NRAK-" + m.upper(27),
    "dynatrace token": lambda m: f"dt0c01.{m.upper(24)}.{m.upper(64)}",
    "tailscale key": lambda m: f"tskey-auth-{m.letters(12)}-{m.letters(32)}",
    "openai key": lambda m: f"sk-proj-{m.safe(74)}T3BlbkFJ{m.safe(74)}",
    "anthropic key": lambda m: f"sk-ant-api03-{m.safe(93)}AA",
    "openrouter key": lambda m: "sk-or-v1-" + m.hex(64),
    "hugging face token": lambda m: "hf_" + m.letters(34, string.ascii_letters),
    "groq key": lambda m: "gsk_" + m.letters(52),
    "replicate token": lambda m: "r8_" + m.letters(37),
    "slack token": lambda m: f"xoxb-{m.digits(12)}-{m.digits(12)}-{m.letters(24)}",
    "slack webhook": lambda m: (
        f"https://hooks.slack.com/services/T{m.upper(8)}/B{m.upper(8)}/{m.letters(24)}"
    ),
    "discord webhook": lambda m: f"https://discord.com/api/webhooks/{m.digits(18)}/{m.safe(68)}",
    "discord bot token": lambda m: f"M{m.letters(25)}.{m.letters(6)}.{m.safe(38)}",
    "telegram bot token": lambda m: f"{m.digits(9)}:AA{m.safe(33)}",
    "sendgrid key": lambda m: f"SG.{m.safe(22)}.{m.safe(43)}",
    "mailgun key": lambda m: "key-" + m.hex(32),
    "mailchimp key": lambda m: m.hex(32) + "-us14",
    "twilio key": lambda m: "SK" + m.hex(32),
    "stripe key": lambda m: "sk_live_" + m.letters(24),
    "stripe webhook secret": lambda m: "whsec_" + m.letters(32),
    "square token": lambda m: "sq0atp-" + m.letters(22),
    "shopify token": lambda m: "shpat_" + m.hex(32),
    "linear key": lambda m: "lin_api_" + m.letters(40),
    "notion token": lambda m: "ntn_" + m.letters(46),
    "figma token": lambda m: "figd_" + m.letters(40),
    "airtable token": lambda m: f"pat{m.letters(14)}.{m.hex(64)}",
    "age key": lambda m: "AGE-SECRET-KEY-1" + m.upper(58),
    "kubernetes client key": lambda m: "client-key-data: " + m.base64(120),
    "private key": lambda m: m.pem("OPENSSH PRIVATE KEY"),
    "database password": lambda m: f"postgresql://app:{m.letters(14)}7x@db.internal:5432/prod",
    "password in a URL": lambda m: f"https://deploy:{m.letters(18)}9@git.acme.io/repo.git",
}
LOW: dict[str, Callable[[Maker], str]] = {
    "json web token": lambda m: m.jwt(),
    "authorization header": lambda m: "Authorization: Bearer 1" + m.letters(40),
    "password or key": lambda m: f'password = "{m.letters(6)}7#{m.letters(4)}"',
}
NAMED = (
    "export API_TOKEN={}", 'SECRET_KEY = "{}"', "client_secret: {}", '"apiKey": "{}",', "db_password: '{}'",
    "--auth-token={}", 'const accessKey = "{}";', "password: str = '{}'", "MY_APP_SECRET={}",
    "Passwd := `{}`",
)  # fmt: skip
