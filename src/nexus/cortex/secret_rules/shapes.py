"""The shapes of credentials, one rule for each kind: clouds, code, models, and keys as files.

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
    """`pattern` is tried where one of `anchors` (three characters or more) stands.

    `back` is how many characters of the match stand before the anchor: at least, at most.
    `shown` marks kinds whose value is judged by the pattern alone: a block, a web address. The value of a
    `random` one must look drawn at random.
    """

    kind: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str]
    confidence: Confidence = "high"
    back: tuple[int, int] = (0, 0)
    shown: bool = False
    random: bool = False


def rule(
    kind: str,
    anchors: str | tuple[str, ...],
    pattern: str,
    confidence: Confidence = "high",
    *,
    edge: str = r"A-Za-z0-9_-",
    back: tuple[int, int] = (0, 0),
    shown: bool = False,
    random: bool = False,
) -> Rule:
    """A rule; `anchors` may be written as one string with blanks between them."""
    left = f"(?<![{edge}])" if edge else ""
    parts = tuple(anchors.split()) if isinstance(anchors, str) else anchors
    return Rule(kind, parts, re.compile(left + pattern), confidence, back, shown, random)


def each(before: str, letters: str, after: str = "") -> tuple[str, ...]:
    """An anchor for each of `letters`, where what is fixed of a shape is too short to look for."""
    return tuple(before + letter + after for letter in letters)


DIGITS = "0123456789"
HEX = DIGITS + "abcdef"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ALNUM = LETTERS + DIGITS
W = r"[A-Za-z0-9_-]"  # the letters of URL-safe base64
A = r"[A-Za-z0-9]"
H = r"[A-Fa-f0-9]"
END = r"(?![A-Za-z0-9])"
_UUID = r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"

CLOUDS = (
    rule(
        "aws-access-key", "AKIA ASIA ABIA ACCA A3T", r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}" + END
    ),
    rule(
        "aws-session-token",
        "IQoJb3JpZ2luX2 FwoGZXIvYXdz",
        r"(?:IQoJb3JpZ2luX2|FwoGZXIvYXdz)[\w+/=-]{50,2000}",
    ),
    rule("aws-bedrock-key", "ABSK", r"ABSK[A-Za-z0-9+/]{100,300}={0,2}", edge="A-Za-z0-9/"),
    rule("aws-bedrock-short-key", "bedrock-api-key-", r"bedrock-api-key-[A-Za-z0-9+/]{28,4000}={0,2}"),
    rule("aws-marketplace-key", "amzn.mws.", r"amzn\.mws\." + _UUID),
    rule("google-api-key", "AIza", r"AIza" + W + r"{35}" + END),
    rule("google-oauth-secret", "GOCSPX-", r"GOCSPX-" + W + r"{24,40}"),
    rule("google-access-token", "ya29.", r"ya29\." + W + r"{20,400}"),
    rule("google-refresh-token", "1//0", r"1//0" + W + r"{40,200}", edge="A-Za-z0-9/"),
    rule("google-cloud-messaging-key", ":APA91b", W + r"{11}:APA91b" + W + r"{100,200}", back=(11, 11)),
    rule("azure-storage-key", "AccountKey=", r"AccountKey=[A-Za-z0-9+/]{60,100}={0,2}"),
    rule("azure-service-bus-key", "SharedAccessKey=", r"SharedAccessKey=[A-Za-z0-9+/]{40,60}={0,2}"),
    rule("azure-shared-signature", "sig=", r"sig=[A-Za-z0-9%]{43,63}(?:%3[dD]|=)"),
    rule(
        "azure-client-secret",
        each("", "0123456789", "Q~"),
        r"[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}",
        edge="A-Za-z0-9_~.-",
        back=(3, 3),
    ),
    rule("azure-search-key", "AzSe", A + r"{42}AzSe[A-D]" + A + r"{5}" + END, back=(42, 42)),
    rule("azure-devops-token", "AZDO", A + r"{76}AZDO" + A + r"{4}" + END, back=(76, 76)),
    rule("alibaba-access-key", "LTAI", r"LTAI" + A + r"{17,24}" + END),
    rule("tencent-secret-id", "AKID", r"AKID" + A + r"{32}" + END),
    rule("yandex-access-token", "t1.", r"t1\.[A-Z0-9a-z_-]{6,200}={0,2}\.[A-Z0-9a-z_-]{86}={0,2}"),
    rule("yandex-api-key", "AQVN", r"AQVN" + W + r"{35,38}" + END),
    rule("yandex-storage-key", each("YC", ALNUM + "_-"), r"YC" + W + r"{38}" + END, "low"),
    rule("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_" + H + r"{64}" + END),
    rule("cloudflare-origin-key", "v1.0-", r"v1\.0-[a-f0-9]{24}-[a-f0-9]{146}"),
    rule("heroku-key", "HRKU-", r"HRKU-" + W + r"{30,80}"),
    rule("fly-token", "fm2_ fm1r_ fm1a_ fo1_", r"(?:fm(?:2|1[ar])_[A-Za-z0-9+/=_-]{60,600}|fo1_[\w-]{43})"),
    rule("netlify-token", "nfp_", r"nfp_" + A + r"{36,40}" + END),
    rule("vercel-token", "vercel_blob_rw_ vcp_", r"(?:vercel_blob_rw|vcp)_\w{24,80}"),
    rule("render-key", "rnd_", r"rnd_" + A + r"{28,40}" + END),
    rule("scalingo-token", "tk-us-", r"tk-us-" + W + r"{48}" + END),
    rule("scaleway-key", "SCW", r"SCW[A-Z0-9]{17}" + END, "low"),
    rule("planetscale-token", "pscale_", r"pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,64}"),
    rule("supabase-key", "sbp_ sb_secret_", r"(?:sbp_[a-f0-9]{40}|sb_secret_" + W + r"{20,60})"),
    rule("neon-key", "napi_", r"napi_[a-z0-9]{50,80}" + END),
    rule("clickhouse-key", "4b1d", r"4b1d" + A + r"{38}" + END),
    rule("aiven-token", "aivenv1", r"aivenv1[A-Za-z0-9+/]{200,400}={0,2}"),
    rule("openshift-token", "sha256~", r"sha256~" + W + r"{43}" + END),
    rule("doppler-token", "dp.", r"dp\.(?:pt|st|sa|ct|scim|audit)\.[\w.-]{40,60}"),
    rule("infisical-token", "st.", r"st\.[a-f0-9]{24}\.[a-f0-9]{32}\.[a-f0-9]{32}"),
    rule("vault-token", "hvs. hvb. hvr.", r"hv[sbr]\." + W + r"{90,300}"),
    rule(
        "vault-old-token",
        each("s.", ALNUM),
        r"s\.(?=(?:[A-Za-z]{0,22}\d){2})" + A + r"{24}" + END,
        "low",
        edge=r"\w.-",
    ),
    rule("terraform-token", ".atlasv1.", A + r"{14}\.atlasv1\.[\w=-]{60,70}", back=(14, 14)),
    rule("pulumi-token", "pul-", r"pul-[a-f0-9]{40}" + END),
    rule("tailscale-key", "tskey-", r"tskey-[a-z]{3,12}-" + A + r"{8,32}-" + A + r"{20,64}"),
    rule("defined-networking-token", "dnkey-", r"dnkey-[\w=-]{26}-[\w=-]{52}"),
    rule(
        "1password-key",
        "A3-",
        r"A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}" + END,
    ),
    rule("1password-account-token", "ops_eyJ", r"ops_eyJ[A-Za-z0-9+/]{200,8000}={0,3}"),
)

CODE = (
    rule("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_\w{36,255}"),
    rule("github-fine-grained-token", "github_pat_", r"github_pat_\w{36,255}"),
    rule(
        "gitlab-token",
        "glpat- gldt- glrt- glrtr- glptt- glsoat- glft- glffct- glimt- glagent- glcbt- gloas- glwt-",
        r"gl(?:pat|dt|rtr?|ptt|soat|ft|ffct|imt|agent|cbt|oas|wt)-[\w.-]{20,300}",
    ),
    rule("gitlab-runner-token", "GR1348941", r"GR1348941" + W + r"{20,40}"),
    rule("gitlab-session", "_gitlab_session=", r"_gitlab_session=[a-z0-9]{32}" + END, edge=""),
    rule("bitbucket-token", "ATBB ATCTT3xFfG", r"(?:ATBB" + A + r"{32}|ATCTT3xFfG[\w=-]{150,250})"),
    rule("atlassian-token", "ATATT3", r"ATATT3[\w=-]{100,300}"),
    rule("trello-token", "ATTA", r"ATTA[a-f0-9]{64}" + END),
    rule("sourcegraph-token", "sgp_", r"sgp_(?:" + A + r"{5,16}_)?" + H + r"{40}" + END),
    rule("npm-token", "npm_", r"npm_" + A + r"{36}" + END),
    rule("pypi-token", "pypi-AgE", r"pypi-AgE" + W + r"{50,1000}"),
    rule("rubygems-key", "rubygems_", r"rubygems_" + H + r"{48}" + END),
    rule("clojars-token", "CLOJARS_", r"CLOJARS_[A-Za-z0-9]{60}" + END),
    rule("nuget-key", "oy2", r"oy2[a-z0-9]{43}" + END),
    rule("cargo-token", "cio", r"cio" + A + r"{32}" + END, "low"),
    rule("docker-token", "dckr_pat_ dckr_oat_", r"dckr_[po]at_" + W + r"{24,60}"),
    rule("artifactory-key", "AKCp", r"AKCp" + A + r"{16,80}" + END),
    rule(
        "artifactory-password",
        ("AKC", *each("AP", "0123456789ABCDEF")),
        r"(?:AKC|AP[0-9A-F])(?=[A-Z0-9]{0,40}[a-z])(?=(?:[A-Za-z]{0,40}\d){3})" + A + r"{16,80}" + END,
        "low",
    ),
    rule("jfrog-reference-token", "cmVmd", r"cmVmd" + A + r"{59}" + END),
    rule("buildkite-token", "bkua_ bkaj_ bkct_", r"bk(?:ua|aj|ct)_[A-Za-z0-9]{40,60}"),
    rule("circleci-token", "CCIPAT_ CCIPRJ_", r"CCIP(?:AT|RJ)_" + A + r"{20,24}_[a-f0-9]{40}"),
    rule("harness-token", "pat. sat.", r"[ps]at\." + W + r"{22}\." + A + r"{24}\." + A + r"{20}"),
    rule("octopus-key", "API-", r"API-[A-Z0-9]{26}" + END, "low"),
    rule("prefect-token", "pnu_", r"pnu_" + A + r"{36}" + END),
    rule("infracost-key", "ico-", r"ico-" + A + r"{32}" + END),
    rule("sonar-token", "squ_ sqp_ sqa_", r"sq[upa]_[\w=-]{40}" + END),
    rule("snyk-token", "snyk_uat.", r"snyk_uat\.[\w.-]{30,400}"),
    rule("postman-key", "PMAK-", r"PMAK-[A-Fa-f0-9]{24}-[A-Fa-f0-9]{34}"),
    rule("readme-key", "rdme_", r"rdme_[a-z0-9]{70}" + END),
    rule("wakatime-key", "waka_", r"waka_" + _UUID),
    rule("settlemint-token", "sm_pat_ sm_aat_ sm_sat_", r"sm_[pas]at_" + A + r"{16}" + END),
)

MODELS = (
    rule("openai-key", "sk-proj- sk-svcacct- sk-admin-", r"sk-(?:proj|svcacct|admin)-" + W + r"{40,200}"),
    rule("openai-old-key", "sk-", r"sk-" + W + r"{20,100}T3BlbkFJ" + W + r"{20,100}"),
    rule("anthropic-key", "sk-ant-", r"sk-ant-[a-z]{3,8}\d\d-" + W + r"{40,200}"),
    rule("openrouter-key", "sk-or-", r"sk-or-v1-[a-f0-9]{64}" + END),
    rule("langfuse-key", "sk-lf-", r"sk-lf-" + _UUID),
    rule("model-provider-key", "sk-", r"sk-" + A + r"{32,64}" + END),
    rule("hugging-face-token", "hf_ api_org_", r"(?:hf_|api_org_)[A-Za-z]{34}" + END),
    rule("groq-key", "gsk_", r"gsk_" + A + r"{48,56}" + END),
    rule("perplexity-key", "pplx-", r"pplx-" + A + r"{48}" + END),
    rule("replicate-token", "r8_", r"r8_" + W + r"{37}" + END),
    rule("xai-key", "xai-", r"xai-" + A + r"{70,90}" + END),
    rule("cerebras-key", "csk-", r"csk-[a-z0-9]{40,60}" + END),
    rule("nvidia-key", "nvapi-", r"nvapi-" + W + r"{60,80}"),
    rule("together-key", "tgp_v1_", r"tgp_v1_" + W + r"{40,50}"),
    rule("voyage-key", "pa-", r"pa-(?=[A-Za-z_-]{0,40}\d)" + W + r"{43}" + END, "low"),
    rule("jina-key", "jina_", r"jina_[a-f0-9]{32}" + W + r"{20,40}"),
    rule("tavily-key", "tvly-", r"tvly-(?:dev-|prod-)?" + A + r"{32}" + END),
    rule("firecrawl-key", "fc-", r"fc-[a-f0-9]{32}" + END),
    rule("elevenlabs-key", "sk_", r"sk_[a-f0-9]{48}" + END),
    rule("apify-token", "apify_api_", r"apify_api_" + A + r"{30,40}" + END),
    rule("e2b-key", "e2b_", r"e2b_[a-f0-9]{40}" + END),
    rule("langsmith-key", "lsv2_", r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}"),
    rule("pinecone-key", "pcsk_", r"pcsk_" + A + r"{5,8}_" + A + r"{50,70}"),
    rule("databricks-token", "dapi", r"dapi" + H + r"{32}(?:-\d)?" + END),
)

KEY_FILES = (
    rule(
        "kubernetes-secret",
        "kind:",
        r"kind: {1,4}Secret\b[\s\S]{0,600}?\n(?:data|stringData):[ \t]{0,4}\n"
        r"(?P<value>(?:[ \t]{1,8}[\w.-]{1,80}:[ \t]{1,4}[\"']?[A-Za-z0-9+/]{8,8000}={0,2}[\"']?"
        r"(?:\r?\n|(?=[ \"'`])|$)){1,100})",
        "low",
        shown=True,
    ),
    rule("age-key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    rule(
        "putty-key",
        "PuTTY-User-Key-File-",
        r"PuTTY-User-Key-File-\d: [\s\S]{0,2000}?Private-Lines: \d",
        shown=True,
    ),
    rule("kubernetes-client-key", "client-key-data:", r"client-key-data: {0,4}[A-Za-z0-9+/]{40,8000}={0,2}"),
    rule(
        "private-key",
        "-----BEGIN",
        r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:\\[nr]|[\s\"'`+,;>#*|]|(?:Proc-Type|DEK-Info|Version|Comment):[^\n]{0,120}\n){0,60}"
        r"[A-Za-z0-9+/=_-]{40}",
        edge="",
        shown=True,
    ),
)
