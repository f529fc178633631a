"""Whether two short statements say different things about the same.

By words and values, without a model: the same subject with another number, name or setting, or the
same words once affirmed and once denied. Knows nothing of stores or vectors. Precision comes first: what
may well be true side by side (two ports of two services, two libraries in use) is no contradiction.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Under this cosine two statements are not about the same. Statements that contradict each other have .75
# and more with granite-embedding-30m-english and .63 and more with all-minilm-l6-v2; words decide the rest.
NEAR = 0.6
_TOKEN = re.compile(r"`[^`]+`|https?://\S+|[\w./:+#@%-]*\w|\S")
_CLAUSE = re.compile(r"[,;.!?()]$|^(?:but|and|because|so|since|when|while|if)$")
_DENIES = frozenset(
    "not no never don't doesn't isn't aren't won't can't cannot mustn't shouldn't without dont doesnt isnt"
    " wasn't didn't nor neither stop avoid forbidden prohibited".split()
)
_DENIES_TWO = (("no", "longer"), ("instead", "of"), ("rather", "than"), ("any", "more"))
_SAME = {
    "db": "database", "databases": "database", "prod": "production", "postgresql": "postgres",
    "pg": "postgres", "config": "configuration", "repo": "repository", "env": "environment",
    "k8s": "kubernetes", "js": "javascript", "py": "python", "auth": "authentication", "dir": "folder",
    "directory": "folder", "docs": "documentation", "deployed": "deploy", "deployment": "deploy",
    "stage": "staging", "mon": "monday", "fri": "friday",
}  # fmt: skip
# Say nothing about what a statement is about: the little words, and what merely leads to a value.
_FILL = frozenset(
    "a an the this that these those our your their my its is are was were be been being we i you they it to"
    " of in on at by for from with into as and or but so do does did has have had will would can could should"
    " must may now currently always only also just very really then there here still already again please"
    " remember note important fyi keep mind us them any all every each longer more than instead rather"
    " use uses used using run runs running listen listens listening live lives stored store kept hosted"
    " served set sets default defaults equal equals called named known speak speaks expect expects require "
    " requires need needs port number version value level time file folder path host address url".split()
)
# Settings of which only one can be true.
_ONE_OF = tuple(
    frozenset(group.split())
    for group in (
        "monday tuesday wednesday thursday friday saturday sunday weekday weekend",
        "mondays tuesdays wednesdays thursdays fridays saturdays sundays weekdays weekends",
        "january february march april june july august september october november december",
        "on off", "true false", "enabled disabled", "enable disable", "tabs spaces", "tab space",
        "daily weekly monthly hourly nightly yearly", "sync async synchronous asynchronous",
        "public private", "upper lower", "uppercase lowercase", "camelcase snakecase kebabcase snake_case"
        " camel_case kebab-case pascalcase", "single double", "before after", "allowed forbidden",
        "required optional", "left right", "ascending descending", "json yaml toml xml ini",
        "mit apache gpl bsd", "main master trunk",
    )
)  # fmt: skip
# Things that are one of many: with two of them, two statements are about two things.
_KINDS = frozenset(
    "staging production development test testing local remote frontend backend client server primary replica"
    " reader writer read write admin public internal external unit integration e2e user"
    " api worker web mobile ios android linux windows macos debug release nightly old new first second third"
    " source target input output request response min max minimum maximum lower upper upload download"
    " incoming outgoing start stop begin end east west north south eu us".split()
)
# After these the other name excludes the first; after "uses" or "needs" both may be true.
_SINGLE = re.compile(
    r"\b(?:is|are|port|version|listens?|runs? (?:on|at)|lives? (?:in|at|under)|called|named|hosted|deployed"
    r"|stored|defaults? to|points? to|must be|licen[cs]ed|owned by|maintained by|owner|lead|now|switched"
    r"|moved|migrated|instead|no longer)\b",
    re.IGNORECASE,
)
# What stands before the first of these is what the statement is about.
_LEADS = frozenset(
    "is are was were be use uses used run runs listen listens live lives need needs require requires return"
    " returns must should expect expects default defaults called take takes speak speaks stay stays has have"
    " go goes come comes point points connect connects".split()
)
_NUMBER = re.compile(r"v?\d[\d.,_:]*(?:%|[a-z]{1,4})?$")


@dataclass(frozen=True, slots=True)
class _Statement:
    """A text taken apart: what it is about, the values it names, what it denies."""

    about: frozenset[str]
    subjects: frozenset[str]
    numbers: frozenset[str]
    names: frozenset[str]
    denied: frozenset[str]
    denies: bool
    single: bool

    @property
    def words(self) -> frozenset[str]:
        return self.about | self.subjects | self.numbers | self.names


def contradicts(one: str, other: str) -> bool:
    """Whether the two cannot both be true, as far as words tell. Symmetric."""
    a, b = _take_apart(one), _take_apart(other)
    if not a.words or not b.words:
        return False
    flipped = (a.denied & (b.words - b.denied)) | (b.denied & (a.words - a.denied))
    if flipped:
        return 3 * len(a.words & b.words) >= 2 * len(a.words | b.words)
    if a.denies != b.denies or not _same_subject(a, b):
        return False
    if _differ(a.numbers, b.numbers):
        return not _differ(a.names, b.names)
    if _differ(a.names, b.names):
        return a.single and b.single
    return _differ_in_setting(a, b)


def adds(one: str, other: str) -> bool:
    """Whether `one` names a number, a name, a kind or a denial that `other` does not.

    Then the two are not the same, however near their vectors are: two ports of two services.
    """
    a, b = _take_apart(one), _take_apart(other)
    telling = a.numbers | a.names | a.subjects | (a.about & _KINDS) | _settings_words(a.about)
    return bool(telling - b.words) or (a.denies, a.denied) != (b.denies, b.denied)


def _same_subject(a: _Statement, b: _Statement) -> bool:
    if _differ(a.subjects, b.subjects):
        return False
    ours, theirs = a.about - b.about, b.about - a.about
    if (ours | theirs) & _KINDS and not _setting(ours, theirs):
        return False
    if _setting(ours, theirs):
        ours, theirs = ours - _settings_words(ours), theirs - _settings_words(theirs)
    shared = len(a.about & b.about) + len(a.subjects & b.subjects)
    return shared >= 1 and (not ours or not theirs) and max(len(ours), len(theirs)) <= shared + 1


def _differ(a: frozenset[str], b: frozenset[str]) -> bool:
    """Each names something that the other does not."""
    return bool(a - b) and bool(b - a)


def _differ_in_setting(a: _Statement, b: _Statement) -> bool:
    return _setting(a.about - b.about, b.about - a.about)


def _setting(ours: frozenset[str], theirs: frozenset[str]) -> bool:
    return any(ours & group and theirs & group for group in _ONE_OF)


def _settings_words(words: frozenset[str]) -> frozenset[str]:
    return frozenset(word for word in words if any(word in group for group in _ONE_OF))


def _take_apart(text: str) -> _Statement:
    about: set[str] = set()
    subjects: set[str] = set()
    numbers: set[str] = set()
    names: set[str] = set()
    denied: set[str] = set()
    denies, scope, led = False, False, False
    raw = _TOKEN.findall(text)
    for place, token in enumerate(raw):
        word = token.strip("`").rstrip(".:,").lower()
        pair = (word, raw[place + 1].lower()) if place + 1 < len(raw) else (word, "")
        if word in _DENIES or pair in _DENIES_TWO:
            denies = scope = True
            continue
        if scope and _CLAUSE.search(token.lower()):
            scope = False
        leads, led = led, led or word in _LEADS
        word = _SAME.get(word, word)
        if not word or not any(c.isalnum() for c in word):
            continue
        if _NUMBER.fullmatch(word):
            numbers.add(word)
        elif word in _FILL and not (len(token) == 1 and token.isupper() and place > 0):
            continue
        elif _settings_words(frozenset((word,))):
            about.add(word)
        elif _is_name(token, place):
            (names if leads else subjects).add(word)
        else:
            word = _stem(word)
            about.add(word)
        if scope:
            denied.add(word)
    if not led:  # nothing to tell the two sides apart by
        names, subjects = subjects, set()
    return _Statement(
        frozenset(about), frozenset(subjects), frozenset(numbers), frozenset(names), frozenset(denied),
        denies, bool(_SINGLE.search(text)),
    )  # fmt: skip


def _is_name(token: str, place: int) -> bool:
    """Code, a path, or a word with a capital that does not merely begin the sentence."""
    if token.startswith("`") or re.search(r"[/_@]|\w\.\w|\d", token):
        return True
    return token[0].isupper() and (place > 0 or any(c.isupper() for c in token[1:]))


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return word[: -len(ending)]
    return word
