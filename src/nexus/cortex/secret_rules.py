"""The shapes of credentials: one rule for each kind, found by a literal that must be in it.

Data only; `secrets` applies it. Invariant that keeps the search linear: the character before a
match (`edge`) may not belong to the run the pattern reads, so no run is read twice by one rule, and
every other repetition is bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Confidence = Literal["high", "low"]


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` is tried from `back` characters before each place where one of `anchors` stands.

    Without anchors it is searched in the whole text, which costs ten times as much.
    """

    kind: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str]
    confidence: Confidence = "high"
    back: int = 0


def _rule(
    kind: str,
    anchors: str,
    pattern: str,
    confidence: Confidence = "high",
    *,
    edge: str = r"A-Za-z0-9_-",
    back: int = 0,
) -> Rule:
    left = f"(?<![{edge}])" if edge else ""
    return Rule(kind, tuple(anchors.split()), re.compile(left + pattern), confidence, back)


_W = r"[A-Za-z0-9_-]"  # the letters of URL-safe base64
_END = r"(?![A-Za-z0-9])"

RULES: tuple[Rule, ...] = (
    # clouds
    _rule("aws access key", "AKIA ASIA ABIA ACCA", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}" + _END),
    _rule("aws bedrock key", "ABSK", r"ABSK[A-Za-z0-9+/]{100,300}={0,2}", edge="A-Za-z0-9+/"),
    _rule("google api key", "AIza", r"AIza" + _W + r"{35}" + _END),
    _rule("google oauth secret", "GOCSPX-", r"GOCSPX-" + _W + r"{24,40}"),
    _rule("google access token", "ya29.", r"ya29\." + _W + r"{30,400}"),
    _rule("google refresh token", "1//0", r"1//0" + _W + r"{40,200}", edge="A-Za-z0-9/"),
    _rule("azure storage key", "AccountKey=", r"AccountKey=[A-Za-z0-9+/]{60,100}={0,2}"),
    _rule("azure service bus key", "SharedAccessKey=", r"SharedAccessKey=[A-Za-z0-9+/]{40,60}={0,2}"),
    _rule(
        "azure client secret",
        "8Q~ 7Q~",
        r"[A-Za-z0-9_~.]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}",
        edge="A-Za-z0-9_~.-",
        back=3,
    ),
    _rule("alibaba access key", "LTAI", r"LTAI[A-Za-z0-9]{17,24}" + _END),
    _rule("digitalocean token", "dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_[a-f0-9]{64}" + _END),
    _rule("cloudflare origin key", "v1.0-", r"v1\.0-[a-f0-9]{24}-[a-f0-9]{146}"),
    _rule("heroku key", "HRKU-", r"HRKU-" + _W + r"{30,80}"),
    _rule("fly.io token", "fm2_ fm1r_", r"fm(?:2|1r)_[A-Za-z0-9+/=_-]{60,600}"),
    _rule("netlify token", "nfp_", r"nfp_[A-Za-z0-9]{36,40}" + _END),
    _rule("planetscale token", "pscale_", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.-]{32,64}"),
    _rule("supabase key", "sbp_ sb_secret_", r"(?:sbp_[a-f0-9]{40}|sb_secret_" + _W + r"{20,60})"),
    _rule("neon key", "napi_", r"napi_[a-z0-9]{50,80}" + _END),
    # code and packages
    _rule("github token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    _rule("github fine-grained token", "github_pat_", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{50,70}"),
    _rule(
        "gitlab token",
        "glpat- gldt- glrt- glptt- glsoat- glft- glimt- glagent- glcbt- gloas-",
        r"gl(?:pat|dt|rt|ptt|soat|ft|imt|agent|cbt|oas)-" + _W + r"{20,100}",
    ),
    _rule("bitbucket token", "ATBB ATCTT3xFfG", r"(?:ATBB[A-Za-z0-9]{32}|ATCTT3xFfG[\w=-]{150,250})"),
    _rule("atlassian token", "ATATT3xFfGF0", r"ATATT3xFfGF0[\w=-]{100,250}"),
    _rule("npm token", "npm_", r"npm_[A-Za-z0-9]{36}" + _END),
    _rule("pypi token", "pypi-AgE", r"pypi-AgE" + _W + r"{50,300}"),
    _rule("rubygems key", "rubygems_", r"rubygems_[a-f0-9]{48}" + _END),
    _rule("cargo token", "cio", r"cio[A-Za-z0-9]{32}" + _END, "low"),
    _rule("docker token", "dckr_pat_ dckr_oat_", r"dckr_[po]at_" + _W + r"{24,60}"),
    _rule("artifactory key", "AKCp", r"AKCp[A-Za-z0-9]{69}" + _END),
    _rule("jfrog reference token", "cmVmdGtu", r"cmVmdGtu[A-Za-z0-9]{56}" + _END),
    _rule("postman key", "PMAK-", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    _rule("pulumi token", "pul-", r"pul-[a-f0-9]{40}" + _END),
    _rule("terraform token", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\." + _W + r"{60,70}", back=14),
    _rule("vault token", "hvs. hvb. hvr.", r"hv[sbr]\." + _W + r"{90,300}"),
    _rule("doppler token", "dp.pt. dp.st. dp.sa. dp.ct.", r"dp\.(?:pt|st|sa|ct)\.[\w.-]{40,60}"),
    _rule("databricks token", "dapi", r"dapi[a-f0-9]{32}(?:-\d)?" + _END),
    _rule("grafana token", "glsa_ glc_", r"(?:glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}|glc_[\w+/=-]{40,400})"),
    _rule("new relic key", "NRAK-", r"NRAK-[A-Z0-9]{27}" + _END),
    _rule("dynatrace token", "dt0c01.", r"dt0c01\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    _rule("sentry token", "sntrys_ sntryu_", r"sntry[su]_[A-Za-z0-9+/=_-]{50,400}"),
    _rule("tailscale key", "tskey-", r"tskey-[a-z]{3,12}-[A-Za-z0-9]{8,32}-[A-Za-z0-9]{20,64}"),
    # language models
    _rule(
        "openai key",
        "sk-proj- sk-svcacct- sk-admin-",
        r"sk-(?:proj|svcacct|admin)-" + _W + r"{40,200}",
    ),
    _rule("openai key", "sk-", r"sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}" + _END),
    _rule("anthropic key", "sk-ant-", r"sk-ant-[a-z]{3,8}\d\d-" + _W + r"{40,200}"),
    _rule("openrouter key", "sk-or-", r"sk-or-v1-[a-f0-9]{64}" + _END),
    _rule("model provider key", "sk-", r"sk-[A-Za-z0-9]{32,64}" + _END),
    _rule("hugging face token", "hf_ api_org_", r"(?:hf_|api_org_)[A-Za-z]{34}" + _END),
    _rule("groq key", "gsk_", r"gsk_[A-Za-z0-9]{48,56}" + _END),
    _rule("perplexity key", "pplx-", r"pplx-[A-Za-z0-9]{48}" + _END),
    _rule("replicate token", "r8_", r"r8_[A-Za-z0-9_-]{37}" + _END),
    _rule("xai key", "xai-", r"xai-[A-Za-z0-9]{70,90}" + _END),
    _rule("langsmith key", "lsv2_", r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}"),
    _rule("pinecone key", "pcsk_", r"pcsk_[A-Za-z0-9]{5,8}_[A-Za-z0-9]{50,70}"),
    # messages and mail
    _rule(
        "slack token",
        "xoxb- xoxp- xoxa- xoxe- xoxr- xoxs- xoxo-",
        r"xox[abeoprs]-[A-Za-z0-9-]{20,250}",
    ),
    _rule("slack app token", "xapp-", r"xapp-\d-[A-Z0-9]{8,16}-\d{8,16}-[a-f0-9]{32,80}"),
    _rule(
        "slack webhook",
        "hooks.slack.com/",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{36,100}",
    ),
    _rule(
        "discord webhook",
        "discord.com/api/webhooks/ discordapp.com/api/webhooks/",
        r"discord(?:app)?\.com/api/webhooks/\d{17,20}/" + _W + r"{50,80}",
    ),
    _rule(
        "discord bot token",
        "",
        r"[MNO]" + _W + r"{23,27}\." + _W + r"{6}\." + _W + r"{27,45}" + _END,
    ),
    _rule("telegram bot token", ":AA", r"\d{8,10}:AA" + _W + r"{32,34}" + _END, back=10),
    _rule(
        "teams webhook",
        ".webhook.office.com/",
        r"\.webhook\.office\.com/webhookb2/[\w@/-]{60,250}",
        edge="",
    ),
    _rule("sendgrid key", "SG.", r"SG\." + _W + r"{16,32}\." + _W + r"{32,64}"),
    _rule("mailgun key", "key-", r"key-[a-f0-9]{32}" + _END),
    _rule("mailchimp key", "-us", r"[a-f0-9]{32}-us\d{1,2}" + _END, back=32),
    _rule("brevo key", "xkeysib-", r"xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}"),
    _rule("twilio key", "SK", r"SK[0-9a-f]{32}" + _END),
    # money and shops
    _rule(
        "stripe key",
        "sk_live_ rk_live_ sk_test_ rk_test_",
        r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,247}",
    ),
    _rule("stripe webhook secret", "whsec_", r"whsec_[A-Za-z0-9+/]{24,80}"),
    _rule(
        "square token",
        "sq0atp- sq0csp- EAAA",
        r"(?:sq0(?:atp|csp)-" + _W + r"{22,43}|EAAA[\w-]{60})" + _END,
    ),
    _rule("shopify token", "shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}" + _END),
    _rule(
        "paypal braintree token",
        "access_token$",
        r"access_token\$(?:production|sandbox)\$[a-z0-9]{16}\$[a-f0-9]{32}",
    ),
    _rule("plaid token", "access-production-", r"access-production-[a-f0-9-]{36}"),
    _rule("razorpay key", "rzp_live_", r"rzp_live_[A-Za-z0-9]{14,24}"),
    # work tools
    _rule("linear key", "lin_api_ lin_oauth_", r"lin_(?:api|oauth)_[A-Za-z0-9]{40,64}"),
    _rule("notion token", "ntn_", r"ntn_[A-Za-z0-9]{40,50}" + _END),
    _rule("figma token", "figd_", r"figd_" + _W + r"{38,44}"),
    _rule("airtable token", "pat", r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    _rule("typeform token", "tfp_", r"tfp_[\w.=-]{44,64}"),
    _rule("mapbox secret token", "sk.eyJ", r"sk\.eyJ[A-Za-z0-9_-]{60,120}\.[A-Za-z0-9_-]{20,30}"),
    # keys as files
    _rule("age key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    _rule(
        "putty key",
        "PuTTY-User-Key-File-",
        r"PuTTY-User-Key-File-\d: [\s\S]{0,2000}?Private-Lines: \d",
    ),
    _rule(
        "kubernetes client key",
        "client-key-data:",
        r"client-key-data: {0,4}[A-Za-z0-9+/]{40,8000}={0,2}",
    ),
    _rule(
        "private key",
        "-----BEGIN",
        r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:\\[nr]|[\s\"'`+,;>#*|]|(?:Proc-Type|DEK-Info|Version|Comment):[^\n]{0,120}\n){1,60}"
        r"[A-Za-z0-9+/=]{40}",
        edge="",
    ),
    # shapes that examples have too
    _rule(
        "json web token",
        "eyJ",
        r"eyJ" + _W + r"{10,8000}\.eyJ" + _W + r"{8,16000}\." + _W + r"{20,2000}",
        "low",
    ),
    _rule(
        "authorization header",
        "earer asic",
        r"(?:[Bb]earer|[Bb]asic) {1,4}(?=[A-Za-z0-9._~+/-]{0,60}\d)"
        r"[A-Za-z0-9._~+/-]{20,2000}={0,2}",
        "low",
        edge="A-Za-z0-9",
        back=1,
    ),
)

URL_PASSWORD = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{1,30})://(?P<user>[^\s/:@\"'<>`]{0,80}):"
    r"(?P<value>[^\s/@\"'<>`]{3,120})@(?P<host>[^\s/:@\"'<>`,)]{1,253})"
)
DATABASES = (
    "postgres",
    "mysql",
    "mariadb",
    "mongodb",
    "redis",
    "amqp",
    "mssql",
    "oracle",
    "cockroach",
)

KEYWORD = re.compile(
    r"pass(?:word|wd|phrase)|pwd|secret|token|credential|"
    r"(?:api|access|private|signing|encryption|master|account|auth|license)[_-]?key"
)
"""Searched in lower-cased text: the name of a setting that holds a secret."""

ASSIGNED = re.compile(
    r"(?P<rest>[A-Za-z0-9_-]{0,40})[\"'`]?[ \t]{0,8}"
    r"(?::[ \t]{0,4}[A-Za-z.]{1,20}[ \t]{0,4}=|:=|=>|=(?!=)|:(?!:))"
    r"[ \t]{0,8}(?:(?P<quote>[\"'`])(?P<quoted>[^\s\"'`]{8,200})(?P=quote)|"
    r"(?P<bare>[^\s\"'`,;(){}\[\]<>]{8,200})(?P<after>[\[({]?))"
)
