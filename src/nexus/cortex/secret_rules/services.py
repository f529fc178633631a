"""The shapes of credentials of services: messages, money, watching, work; and shapes that examples have.

Data only, like `secret_rules`, with the same invariant.
"""

from __future__ import annotations

from nexus.cortex.secret_rules.shapes import (
    ALNUM,
    CLOUDS,
    CODE,
    DIGITS,
    END,
    KEY_FILES,
    LETTERS,
    MODELS,
    A,
    H,
    Rule,
    W,
    each,
    rule,
)

LOWER = "abcdefghijklmnopqrstuvwxyz" + DIGITS

MESSAGES = (
    rule(
        "slack-token",
        "xoxb- xoxp- xoxa- xoxe- xoxr- xoxs- xoxo- xoxc- xoxd- xoxe.",
        r"(?:xoxe\.)?xox[abcdeoprs]-(?=[a-z-]{0,60}[A-Z0-9])[A-Za-z0-9-]{8,250}",
        edge=r"A-Za-z0-9_.-",
    ),
    rule("slack-app-token", "xapp-", r"xapp-\d-[A-Za-z0-9]{1,20}-\d{1,30}-[a-z0-9]{3,100}"),
    rule(
        "slack-webhook",
        "hooks.slack.com/",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{20,100}",
        shown=True,
    ),
    rule(
        "discord-webhook",
        "discord.com/api/webhooks/ discordapp.com/api/webhooks/",
        r"discord(?:app)?\.com/api/webhooks/\d{17,20}/" + W + r"{50,80}",
    ),
    rule(
        "teams-webhook",
        ".webhook.office.com/",
        r"\.webhook\.office\.com/webhookb2/[\w@/-]{60,250}",
        edge="",
    ),
    rule(
        "zapier-webhook",
        "hooks.zapier.com/hooks/catch/",
        r"hooks\.zapier\.com/hooks/catch/\d{4,10}/" + A + r"{5,10}",
        shown=True,
    ),
    rule("telegram-bot-token", each(":A", ALNUM + "_-"), r"\d{5,16}:A" + W + r"{34}" + END, back=(5, 16)),
    rule("sendgrid-key", "SG.", r"SG\.(?:[\w=-]{16,32}\.[\w=-]{32,64}|[\w=.-]{66})"),
    rule("mailgun-key", "key- pubkey-", r"(?:pub)?key-[a-f0-9]{32}" + END),
    rule("mailchimp-key", "-us", r"[A-Za-z0-9]{32}-us\d{1,2}" + END, back=(32, 32)),
    rule("brevo-key", "xkeysib- xsmtpsib-", r"x(?:key|smtp)sib-[a-f0-9]{64}-" + A + r"{16}"),
    rule("mandrill-key", "md-", r"md-" + W + r"{22}" + END, "low"),
    rule("resend-key", "re_", r"re_" + A + r"{8}_" + A + r"{24}" + END),
    rule("twilio-key", each("SK", LOWER + "ABCDEF"), r"SK(?:[a-z0-9]{32}|" + H + r"{32})" + END),
    rule("twilio-account", each("AC", LOWER), r"AC(?=[a-z]{0,31}\d)[a-z0-9]{32}" + END, "low"),
    rule(
        "discord-bot-token",
        tuple(a + b + c for a in "MNO" for b in "DTjz" for c in "AEIMQUYcgk"),
        r"[MNO]" + W + r"{23,27}\." + W + r"{6}\." + W + r"{27,45}" + END,
    ),
    rule("intra42-secret", "s-s4t2", r"s-s4t2(?:ud|af)-" + H + r"{64}" + END),
)

MONEY = (
    rule(
        "stripe-key",
        "sk_live_ rk_live_ sk_test_ rk_test_ sk_prod_ rk_prod_",
        r"[rs]k_(?:live|test|prod)_" + A + r"{10,247}",
    ),
    rule("stripe-webhook-secret", "whsec_", r"whsec_[A-Za-z0-9+/]{24,80}"),
    rule(
        "square-token",
        "sq0atp- sq0csp- sq0idp- EAAA",
        r"(?:sq0(?:atp|csp|idp)-|EAAA)" + W + r"{22,60}(?![\w/+=-])",
        edge="A-Za-z0-9_/-",
    ),
    rule("facebook-page-token", "EAAC EAAM", r"(?:EAACEdEose0cBA|EAA[CM])" + A + r"{20,300}"),
    rule(
        "shopify-token", "shpat_ shpca_ shppa_ shpss_ shptka_", r"shp(?:at|ca|pa|ss|tka)_" + H + r"{32}" + END
    ),
    rule(
        "braintree-token",
        "access_token$",
        r"access_token\$(?:production|sandbox)\$[a-z0-9]{16}\$[a-f0-9]{32}",
    ),
    rule("plaid-token", "access-", r"access-(?:production|development|sandbox)-[a-f0-9-]{36}"),
    rule("razorpay-key", "rzp_live_ rzp_test_", r"rzp_(?:live|test)_" + A + r"{14,24}"),
    rule("flutterwave-key", "FLWSECK FLWPUBK", r"FLW(?:SEC|PUB)K(?:_TEST|_LIVE)?-[A-Za-z0-9]{12,40}(?:-X)?"),
    rule("easypost-key", "EZAK EZTK", r"EZ[AT]K" + A + r"{54}" + END),
    rule("duffel-token", "duffel_", r"duffel_(?:test|live)_[\w=-]{43}"),
    rule("shippo-token", "shippo_", r"shippo_(?:live|test)_" + H + r"{40}" + END),
    rule("lob-key", "live_ test_", r"(?:live|test)_(?:pub_)?(?=[a-f]{0,30}\d)[a-f0-9]{31,35}" + END),
    rule("adyen-key", "AQE", r"AQE[A-Za-z0-9]{5,10}[A-Za-z0-9+/=.-]{80,200}", "low"),
    rule("woocommerce-key", "ck_ cs_", r"c[ks]_[a-f0-9]{40}" + END),
    rule("paypal-access-token", "A21AA", r"A21AA" + W + r"{80,120}"),
)

WATCHING = (
    rule("grafana-token", "glsa_ glc_", r"(?:glsa_" + A + r"{32}_" + H + r"{8}|glc_[\w+/=-]{32,400})"),
    rule("grafana-key", "eyJrIjoi", r"eyJrIjoi[A-Za-z0-9]{60,400}={0,3}"),
    rule(
        "new-relic-key",
        "NRAK- NRII- NRJS- NRRA- NRBR-",
        r"NR(?:AK|II|JS|RA|BR)-(?=[a-z]{0,30}[A-Z0-9])" + W + r"{19,40}" + END,
    ),
    rule("dynatrace-token", "dt0c01. dt0s16.", r"dt0[cs]\d\d\." + A + r"{8,24}\." + A + r"{64}"),
    rule("sentry-token", "sntrys_ sntryu_", r"sntry[su]_[A-Za-z0-9+/=_-]{50,500}"),
    rule("posthog-key", "phx_", r"phx_" + A + r"{40,60}" + END),
    rule("honeycomb-key", "hcaik_", r"hcaik_[a-z0-9]{58}" + END),
    rule("maxmind-key", "_mmk", A + r"{6}_" + A + r"{29}_mmk" + END, back=(36, 36)),
    rule("launchdarkly-key", "sdk- mob-", r"(?:sdk|mob)-[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}"),
)

WORK = (
    rule("linear-key", "lin_api_ lin_oauth_", r"lin_(?:api|oauth)_" + A + r"{40,64}"),
    rule(
        "notion-token",
        "ntn_ secret_",
        r"(?:ntn_" + A + r"{40,50}|secret_(?=[A-Za-z]{0,42}\d)" + A + r"{43})" + END,
    ),
    rule("figma-token", "figd_", r"figd_" + W + r"{38,44}"),
    rule("airtable-token", "pat", r"pat" + A + r"{14}\.[a-f0-9]{64}"),
    rule("contentful-token", "CFPAT-", r"CFPAT-" + W + r"{43}" + END),
    rule("typeform-token", "tfp_", r"tfp_[\w.=-]{44,64}"),
    rule("mapbox-token", "sk. pk. tk.", r"[spt]k\.[A-Za-z0-9_-]{40,120}\.[A-Za-z0-9_-]{20,30}"),
    rule("frameio-token", "fio-u-", r"fio-u-[\w=-]{64}"),
    rule("dropbox-token", "sl.", r"sl\.(?=[^.]{0,140}\d)[\w=-]{130,200}"),
    rule("adobe-secret", "p8e-", r"p8e-" + A + r"{32}" + END),
    rule("asana-token", each("1/", DIGITS), r"1/\d{15,17}:" + A + r"{32}" + END, edge="A-Za-z0-9/"),
    rule("clickup-token", "pk_", r"pk_\d{6,10}_[A-Z0-9]{32}" + END),
    rule("hubspot-token", "pat-", r"pat-(?:na|eu)\d-[a-f0-9-]{36}"),
    rule(
        "okta-token",
        each("00", LETTERS + "_-"),
        r"00(?=" + W + r"{0,39}[A-Z])(?=" + W + r"{0,39}[a-z])" + r"[\w=-]{40}" + END,
        "low",
    ),
    rule(
        "authress-key",
        ".acc_ .acc-",
        r"(?:sc|ext|scauth|authress)_[A-Za-z0-9]{5,30}\.[A-Za-z0-9]{4,6}\.acc[_-][A-Za-z0-9-]{10,32}\.[A-Za-z0-9+/_=-]{30,120}",
        back=(12, 46),
    ),
    rule(
        "facebook-app-token",
        tuple(f"{d}{s}{c}" for d in DIGITS for s in "|%" for c in ALNUM + "_-"),
        r"\d{15,16}[|%]" + W + r"{27,40}" + END,
        back=(14, 15),
    ),
    rule(
        "twitter-bearer-token", "AAAAAAAAAAAAAAAAAAAAA", r"A{21,26}[A-Za-z0-9%]{60,120}", edge="A-Za-z0-9%/"
    ),
    rule(
        "nuget-password",
        'assword"',
        r'(?i:<add key="(?:ClearText)?Password"\s{0,40}value=")(?!\[removed)(?P<value>[^"\n]{8,200})"',
        "low",
        edge="",
        back=(11, 20),
        shown=True,
    ),
)

EXAMPLES = (
    rule(
        "json-web-token",
        each("ey", ALNUM),
        r"(?:eyJ" + W + r"{10,8000}\." + W + r"{8,16000}|ey" + W + r"{15,8000}\.ey[A-Za-z0-9/\\_-]{8,16000})"
        r"\.[A-Za-z0-9/\\_-]{0,2000}",
        "low",
        edge=r"A-Za-z0-9_.-",
    ),
    rule("json-web-token-base64", "ZXlK", r"ZXlK[A-Za-z0-9+/=_\\-]{40,16000}", "low", edge=r"\w/-"),
    rule(
        "authorization-header",
        "earer asic",
        r"(?:[Bb]earer|[Bb]asic) {1,4}(?=[A-Za-z0-9._~+/-]{0,60}\d)"
        r"[A-Za-z0-9._~+/-]{20,2000}={0,2}",
        "low",
        edge="A-Za-z0-9",
        back=(1, 1),
    ),
    rule(
        "authorization-header",
        "uthorization UTHORIZATION",
        r"(?i:uthorization)[\"']?[ \t]{0,4}[:=][ \t]{0,16}[\"']?(?:[A-Za-z-]{3,16}[ \t]{1,4})?"
        r"(?=[A-Za-z._~+/-]{0,60}\d)(?P<value>[A-Za-z0-9._~+/-]{16,2000}={0,2})",
        "low",
        edge="",
    ),
    rule(
        "sidekiq-key",
        "CONTRIBSYS__COM contribsys__com",
        r"(?i:contribsys__com)[\w\"']{0,20}[ \t]{0,4}[=:]{1,2}>?[ \t]{0,4}"
        r"[\"']?(?P<value>[a-f0-9]{8}:[a-f0-9]{8})",
        edge="",
    ),
    rule(
        "softlayer-key",
        "api.softlayer.com/soap/v3",
        r"api\.softlayer\.com/soap/v3(?:\.1)?/(?P<value>[a-z0-9]{64})",
    ),
    rule(
        "header-value",
        ('-H "', "-H '", '--header "', "--header '", "--header  ", '--header="', "--header='"),
        r"(?:-H|--header)[ =]{1,8}[\"'][A-Za-z0-9_-]{2,40}:[ \t]{0,16}(?:[A-Za-z-]{3,16}[ \t]{1,4})?"
        r"(?P<value>[A-Za-z0-9._~+/=-]{14,2000})",
        "low",
        random=True,
    ),
    rule(
        "curl-password",
        ("-u ", "-u=", "--user"),
        r"(?:-u|--user)(?:=|[ \t]{1,5})[\"']?[^\s:\"'$<{]{0,60}[\"']?:"
        r"[\"']?(?!\[removed)(?P<value>[^\s:\"'@$<{]{4,120})",
        "low",
        edge=r"\w-",
    ),
)

RULES: tuple[Rule, ...] = (
    *CLOUDS, *CODE, *MODELS, *MESSAGES, *MONEY, *WATCHING, *WORK, *KEY_FILES, *EXAMPLES,
)  # fmt: skip
