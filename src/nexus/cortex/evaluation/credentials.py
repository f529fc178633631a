"""Made-up credentials in the shape of each issuer, random for each seed, so that none is written here."""

from __future__ import annotations

import base64
import json
import random
import re
import string
from collections.abc import Callable
from functools import partial

_LETTERS = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"
_ALPHABETS = {
    "A": _LETTERS,
    "a": string.ascii_lowercase + string.digits,
    "U": string.ascii_uppercase + string.digits,
    "H": _HEX,
    "D": "123456789",
    "L": string.ascii_letters,
    "W": _LETTERS + "-_",
    "T": string.ascii_uppercase + "234567",
}


class Maker:
    """Draws the parts of a credential."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def letters(self, count: int, alphabet: str = _LETTERS) -> str:
        """So many characters of an alphabet."""
        return "".join(self.random.choice(alphabet) for _ in range(count))

    def hex(self, count: int) -> str:
        """So many hexadecimal digits."""
        return self.letters(count, _HEX)

    def base64(self, count: int) -> str:
        """So many bytes, in base64."""
        return base64.b64encode(self.random.randbytes(count)).decode()

    def uuid(self) -> str:
        """A UUID, of no version."""
        return "-".join(self.hex(n) for n in (8, 4, 4, 4, 12))

    def jwt(self) -> str:
        """A JSON Web Token with a signature of 43 characters."""
        body = json.dumps({"sub": self.letters(12), "iat": 1}).encode()
        parts = [b'{"alg":"HS256","typ":"JWT"}', body]
        head = [base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts]
        return ".".join([*head, self.fill("<W43>")])

    def pem(self, name: str) -> str:
        """A PEM block of six lines."""
        lines = "\n".join(self.letters(64) for _ in range(6))
        return f"-----BEGIN {name}-----\n{lines}\n-----END {name}-----"

    def fill(self, shape: str) -> str:
        """`<A36>`: 36 letters of an alphabet above (`W` ends in one that is no dash); `<B32>`: base64 of 32
        bytes; `<uuid>`."""

        def part(match: re.Match[str]) -> str:
            name, count = match[1], int(match[2] or 0)
            if name == "uuid":
                return self.uuid()
            if name == "B":
                return self.base64(count)
            last = self.letters(1, "123456789") if name == "W" else ""
            return self.letters(count - len(last), _ALPHABETS[name]) + last

        return re.sub(r"<(uuid|[AaUHDLWTB])(\d*)>", part, shape)


def _shapes(table: str) -> dict[str, Callable[[Maker], str]]:
    """A maker for each line `kind shape`."""
    makers: dict[str, Callable[[Maker], str]] = {}
    for line in filter(None, map(str.strip, table.splitlines())):
        kind, _, shape = line.partition(" ")
        makers[kind] = partial(Maker.fill, shape=shape.strip())
    return makers


HIGH: dict[str, Callable[[Maker], str]] = {
    **_shapes("""
    aws-access-key              AKIA<T16>
    aws-session-token           IQoJb3JpZ2luX2<A200>
    aws-bedrock-key             ABSK<A132>
    aws-bedrock-short-key       bedrock-api-key-<A120>
    aws-marketplace-key         amzn.mws.<uuid>
    aws-secret-key              aws_secret_access_key = "<A39>7"
    google-api-key              AIza<W35>
    google-oauth-secret         GOCSPX-<W28>
    google-access-token         ya29.<W60>
    google-refresh-token        1//0<W60>
    google-cloud-messaging-key  <A11>:APA91b<W134>
    azure-storage-key           AccountKey=<B64>
    azure-service-bus-key       SharedAccessKey=<B32>
    azure-shared-signature      sig=<A43>%3D
    azure-client-secret         <A3>8Q~<A34>
    azure-search-key            <A42>AzSeC<A5>
    azure-devops-token          <A76>AZDO<A4>
    alibaba-access-key          LTAI<A20>
    tencent-secret-id           AKID<A32>
    yandex-access-token         t1.<W40>.<W86>
    yandex-api-key              AQVN<W36>
    digitalocean-token          dop_v1_<H64>
    cloudflare-origin-key       v1.0-<H24>-<H146>
    heroku-key                  HRKU-<W60>
    fly-token                   fm2_<A120>
    netlify-token               nfp_<A36>
    vercel-token                vercel_blob_rw_<A40>
    render-key                  rnd_<A32>
    scalingo-token              tk-us-<W48>
    planetscale-token           pscale_tkn_<W43>
    supabase-key                sbp_<H40>
    neon-key                    napi_<a64>
    clickhouse-key              4b1d<A38>
    aiven-token                 aivenv1<A250>
    openshift-token             sha256~<W43>
    doppler-token               dp.pt.<A43>
    infisical-token             st.<H24>.<H32>.<H32>
    vault-token                 hvs.<W95>
    terraform-token             <A14>.atlasv1.<W67>
    pulumi-token                pul-<H40>
    tailscale-key               tskey-auth-<A12>-<A32>
    defined-networking-token    dnkey-<W26>-<W52>
    1password-key               A3-<U6>-<U6>-<U5>-<U5>-<U5>-<U5>
    1password-account-token     ops_eyJ<A300>
    github-token                ghp_<A36>
    github-fine-grained-token   github_pat_<A22>_<A59>
    gitlab-token                glpat-<W20>
    gitlab-runner-token         GR1348941<W20>
    gitlab-session              _gitlab_session=<H32>
    bitbucket-token             ATBB<A32>
    atlassian-token             ATATT3<W186>
    trello-token                ATTA<H64>
    sourcegraph-token           sgp_<H40>
    npm-token                   npm_<A36>
    pypi-token                  pypi-AgEIcHlwaS5vcmc<W70>
    rubygems-key                rubygems_<H48>
    clojars-token               CLOJARS_<a60>
    nuget-key                   oy2<a43>
    docker-token                dckr_pat_<W27>
    artifactory-key             AKCp<A69>
    jfrog-reference-token       cmVmd<A59>
    buildkite-token             bkua_<H40>
    circleci-token              CCIPAT_<A22>_<H40>
    harness-token               pat.<W22>.<A24>.<A20>
    prefect-token               pnu_<A36>
    infracost-key               ico-<A32>
    sonar-token                 squ_<H40>
    snyk-token                  snyk_uat.<A60>
    postman-key                 PMAK-<H24>-<H34>
    readme-key                  rdme_<a70>
    wakatime-key                waka_<uuid>
    settlemint-token            sm_pat_<A16>
    openai-key                  sk-proj-<W74>T3BlbkFJ<W74>
    openai-old-key              sk-<A20>T3BlbkFJ<A20>
    anthropic-key               sk-ant-api03-<W93>AA
    openrouter-key              sk-or-v1-<H64>
    langfuse-key                sk-lf-<uuid>
    model-provider-key          sk-<A40>
    hugging-face-token          hf_<L34>
    groq-key                    gsk_<A52>
    perplexity-key              pplx-<A48>
    replicate-token             r8_<A37>
    xai-key                     xai-<A80>
    cerebras-key                csk-<a48>
    nvidia-key                  nvapi-<W64>
    together-key                tgp_v1_<W43>
    jina-key                    jina_<H32><A28>
    tavily-key                  tvly-<A32>
    firecrawl-key               fc-<H32>
    elevenlabs-key              sk_<H48>
    apify-token                 apify_api_<A36>
    e2b-key                     e2b_<H40>
    langsmith-key               lsv2_pt_<H32>_<H10>
    pinecone-key                pcsk_<A6>_<A60>
    databricks-token            dapi<H32>
    age-key                     AGE-SECRET-KEY-1<U58>
    kubernetes-client-key       client-key-data: <B120>
    slack-token                 xoxb-<D12>-<D12>-<A24>
    slack-app-token             xapp-1-A<U10>-<D13>-<H64>
    slack-webhook               https://hooks.slack.com/services/T<U8>/B<U8>/<A24>
    discord-webhook             https://discord.com/api/webhooks/<D18>/<W68>
    discord-bot-token           MTA<A21>.<A6>.<W38>
    teams-webhook               https://acme.webhook.office.com/webhookb2/<uuid>@<uuid>/IncomingWebhook/<H32>
    zapier-webhook              https://hooks.zapier.com/hooks/catch/<D7>/<a7>
    telegram-bot-token          <D9>:AA<W33>
    sendgrid-key                SG.<W22>.<W43>
    mailgun-key                 key-<H32>
    mailchimp-key               <H32>-us14
    brevo-key                   xkeysib-<H64>-<A16>
    resend-key                  re_<A8>_<A24>
    twilio-key                  SK<H32>
    intra42-secret              s-s4t2ud-<H64>
    stripe-key                  sk_live_<A24>
    stripe-webhook-secret       whsec_<A32>
    square-token                sq0atp-<A22>
    facebook-page-token         EAACEdEose0cBA<A80>
    shopify-token               shpat_<H32>
    braintree-token             access_token$production$<a16>$<H32>
    plaid-token                 access-production-<uuid>
    razorpay-key                rzp_live_<A14>
    flutterwave-key             FLWSECK_TEST-<H32>-X
    easypost-key                EZAK<A54>
    duffel-token                duffel_live_<W43>
    shippo-token                shippo_live_<H40>
    lob-key                     live_<H35>
    woocommerce-key             ck_<H40>
    paypal-access-token         A21AA<W90>
    grafana-token               glsa_<A32>_<H8>
    grafana-key                 eyJrIjoi<A80>
    new-relic-key               NRAK-<U27>
    dynatrace-token             dt0c01.<U24>.<U64>
    sentry-token                sntrys_<A120>
    posthog-key                 phx_<A43>
    honeycomb-key               hcaik_<a58>
    maxmind-key                 <A6>_<A29>_mmk
    launchdarkly-key            sdk-<uuid>
    linear-key                  lin_api_<A40>
    notion-token                ntn_<A46>
    figma-token                 figd_<A40>
    airtable-token              pat<A14>.<H64>
    contentful-token            CFPAT-<W43>
    typeform-token              tfp_<A44>
    mapbox-token                sk.eyJ<A60>.<A22>
    frameio-token               fio-u-<W64>
    dropbox-token               sl.<W136>
    adobe-secret                p8e-<A32>
    asana-token                 1/<D16>:<H32>
    clickup-token               pk_<D8>_<U32>
    hubspot-token               pat-na1-<uuid>
    authress-key                sc_<A20>.<A5>.acc-<A14>.<A50>
    facebook-app-token          <D16>|<W27>
    twitter-bearer-token        AAAAAAAAAAAAAAAAAAAAA<A80>
    database-password           postgresql://app:<A14>7x@db.internal:5432/prod
    password-in-url             https://deploy:<A18>9@git.acme.io/repo.git
    sidekiq-key                 BUNDLE_ENTERPRISE__CONTRIBSYS__COM=<H8>:<H8>
    softlayer-key               https://api.softlayer.com/soap/v3.1/<a64>
    """),
    "private-key": lambda m: m.pem("OPENSSH PRIVATE KEY"),
    "putty-key": lambda m: (
        f"PuTTY-User-Key-File-3: ssh-ed25519\nComment: x\nPrivate-Lines: 1\n{m.base64(32)}"
    ),
}
LOW: dict[str, Callable[[Maker], str]] = {
    **_shapes("""
    authorization-header   Authorization: Bearer 1<A40>
    password-or-key        password = "<A6>7#<A4>"
    vault-old-token        s.<A22>42
    yandex-storage-key     YC<W38>
    scaleway-key           SCW<U17>
    cargo-token            cio<A32>
    artifactory-password   AP6aA<D3><A30>
    octopus-key            API-<U26>
    voyage-key             pa-<W43>
    mandrill-key           md-<W22>
    twilio-account         AC<H31>7
    adyen-key              AQEyhmfx<A100>
    okta-token             00aA<A38>
    header-value           curl -H "X-Thing: <A28>42"
    curl-password          curl -s -u admin:<A10>7x
    nuget-password         <add key="ClearTextPassword" value="<A10>7x" />
    json-web-token-base64  ZXlK<A120>
    stripe-key             "stripe_key": "<A28>42"
    """),
    "json-web-token": lambda m: m.jwt(),
    "kubernetes-secret": lambda m: f"kind: Secret\nmetadata:\n  name: a\ndata:\n  one: {m.base64(21)}",
}
NAMED = (
    "export API_TOKEN={}", 'SECRET_KEY = "{}"', "client_secret: {}", '"apiKey": "{}",', "db_password: '{}'",
    "--auth-token={}", 'const accessKey = "{}";', "password: str = '{}'", "MY_APP_SECRET={}",
    "Passwd := `{}`", "DB_PASS={}", "<password>{}</password>", '\\"password\\": \\"{}\\"',
    '{{"name": "API_TOKEN", "value": "{}"}}', "my password is {}", "the password for the server is `{}`",
    "password: |\n  {}",
)  # fmt: skip
