"""Proposes learnings from what was said in a session (seed 004, Extractor).

Patterns only, and only proposals: nothing is a memory before a person approves it. Precision comes
before recall, because a store full of junk is worse than one that forgot something. Does not know
what is already remembered. Invariant: `text[p.start:p.end]` is the sentence that was proposed, and no
proposal holds a credential.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from nexus.cortex import secrets

Role = Literal["user", "assistant", "tool"]
Confidence = Literal["high", "medium", "low"]
Category = Literal["verified_fix", "explicit_note", "discovery", "requirement", "rule", "fact"]

MAX_CHARS = 400
_MIN_WORDS = 4
_MIN_FOUND = 7
_MAX_SUBJECT = 9
_ASIDE = re.compile(r"[:;\u2014(]|^I\b|, (?:since|because|as|which)\b")


def _any(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts), re.IGNORECASE)


# A thing of the project: a noun of the trade, code, a path, a number, or a name in capitals.
_NOUN = (
    r"apis?|app|application|auth\w*|backend|bot|branch|build|cache|cd|ci|cli|client|clusters?|code|"
    r"codebase|compiler|component|config\w*|containers?|cron\w*|daemon|dashboard|database|db|deploy\w*|"
    r"dev|docs|driver|endpoints?|engine|env\w*|extensions?|fixtures?|frontend|function|gateway|gem|hooks?|image|"
    r"index|installer|instance|jobs?|keys?|lambda|library|linter|login|logs?|machine|main|"
    r"migrations?|module|monorepo|node|package|parser|pipelines?|plugin|ports?|prod\w*|project|proxy|"
    r"queries|query|queue|redirects?|releases?|repo\w*|requests?|router|runner|schema|scripts?|sdk|"
    r"servers?|services?|sessions?|settings?|site|socket|staging|store|suite|tables?|tests?|tokens?|"
    r"tool|ui|uploads?|variables?|versions?|vm|webhooks?|wheels?|workers?|workflow"
)
_CODE = r"`[^`]+`|[\w-]+\.[a-z]{2,4}\b|\w+_\w+|[A-Z]{2,}\w*|[A-Za-z]*[a-z][A-Z]\w*|\w*\d\w*|/[\w./-]+|--\w+"
_CONCRETE = re.compile(rf"{_CODE}|\b(?i:{_NOUN})\b|(?<=\s)[A-Z][a-z]{{2,}}\b")
_EXACT = re.compile(rf"{_CODE}|(?<=\s)[A-Z][a-z]{{2,}}\b|, not \w|\binstead of \w")

# What rules a sentence out.
_LEAD = r"(?:(?:please|and|also|but|so|ok|hmm|wait|hey|then|btw|right|yes|yup|no)[,:.! \u2026]+)*"
_QUESTION = _any(
    rf"^{_LEAD}(?!do(?:n'?t| not) ever)(?:what|why|how|when|where|which|who|whose|is|are|was|"
    r"were|do|does|did|can|could|would|should|shall|will|has|have|am|any(?:one| idea))\b(?!.{0,40}:)"
)
_HYPOTHETICAL = _any(
    r"\b(?:if|unless|would|could|might|maybe|perhaps|probably|possibly|suppose|supposing|imagine)\b",
    r"\b(?:assum\w+|let'?s say|hypothetically|not sure|unsure|apparently|in theory|should we)\b",
    r"\bi (?:think|guess|wonder|believe|suspect|hope|doubt)\b",
    r"\b(?:seems?|looks like|what about|for example|e\.g\.)",
)
_PAST_TALK = _any(
    r"\b(?:he|she|they|someone|people|everybody|everyone) (?:said|says|told|claims?|thinks?)\b",
    r"\b(?:you|i) (?:said|told|asked|mentioned|wrote)\b",
    r"\bi'?ve never\b|\bnever mind\b|\bas always\b|\bi'?m\b",
)
_PRONOUN = _any(
    r"^(?:i|it|this|that|he|she|they|you|there|these|those|which|who|nobody|nothing|something|"
    r"everything)\b"
)
_VAGUE = _any(
    r"\b(?:uses?|using|expects?|returns?|needs?|requires?) (?:a lot|lots|too|way|that|it|this|them|"
    r"some|many|much|more|less|the same|something|nothing|me|you|us)\b"
)
_ORDER = _any(
    rf"^{_LEAD}(?:can|could|let'?s|let me|make|add|write|fix|use|run|try|change|update|check|show|"
    r"tell|explain|give|look|go|refactor|rename|remove|create|implement|find|help|now|first|next)\b(?! :)"
)

# Verified fixes.
_FIX = _any(
    r"\w{3,} (?:was|were|got|is) (?:fixed|solved) by\b|\b(?:fixed|solved) the .{2,60}? by\b",
    r"\b(?:issue|problem|bug|culprit|cause|failure) (?:was|turned out to be)\b",
    r"\bthe (?:fix|solution|workaround) was\b|^the root cause is (?!the same\b)",
    r"\bwas (?:caused by|due to)\b|\b(?:failed|broke|crashed|hung) because\b",
)
# What it was that got fixed stands in another sentence, or is still to be fixed.
_FIX_OF_WHAT = _any(
    rf"^{_LEAD}(?:(?:fixed|solved) by|(?:it|this|that|they|both|all|these|those|one|each) )\b",
    r"\bfixed by (?:the|a|an|my|your|that|this) (?:\w+ )?(?:author|team|pr|commit|branch|user|change)\b",
    r"\b(?:fix|solution|workaround) was (?:always|already|just|only|simple|easy|in|at)\b",
)
_UNFINISHED = _any(
    r"(?:\b(?:not|never|still|yet)|n't) (?:\w+ ){0,2}(?:fixed|solved)\b",
    r"\b(?:can|to|should) be fixed\b",
    r"\b(?:issue|problem|bug|fix) (?:was|is) (?:not|never|opened|closed|reported|filed|assigned|"
    r"that (?:i|we|you)|still|in review|merged|ready)\b",
)

# Explicit notes.
_NOTE = _any(
    rf"^{_LEAD}(?:remember|note|nb|important|keep in mind|fyi|for the record|for future reference)"
    r"(?: ?:| -{1,2} | that |, (?=the |our |we |all |`))",
    rf"^{_LEAD}keep in mind\b",
)
_REMEMBER_TO = _any(
    rf"^{_LEAD}remember (?:to|when|how|the time|me|last|my|what|why|where|who|i|this|that one|"
    r"those)\b(?!.*:)"
)

# Discoveries.
_FOUND = _any(
    r"\b(?:i|we|i'?ve|we'?ve) (?:just |finally |also )?(?:found(?: out)?|learned|discovered|noticed|"
    r"figured out|reali[sz]ed) that\b",
    r"\b(?:turns out|turned out that)\b",
)

# Requirements.
_REQUIRES = _any(
    r"\b(?:requires?|needs(?! to\b)|depends? on|only works? with)\b",
    r"\bwon'?t (?:build|start|run|work|compile) without\b",
)
_WANT = _any(
    r"\b(?:i|you|he|she|they|someone|it|that|this|which|there|who|what) (?:\w+ )?(?:needs?|requires?|"
    r"depends? on)\b(?! too)",
    r"\bwe (?:\w+ )?needs? (?:to|a|an|some|more|another|your|help)\b|\b(?:no|in|as) need",
    r"\bneeds? (?:work|love|help|attention|review|more|some|another|cleanup|fixing|refactoring|"
    r"discussion|time|thought|updating)\b",
    r"\bneeds? a (?:review|look|break|rest|rebase|name|better|second|bit)\b|\bneeds? to be \w+ed\b",
)

# Rules.
_DUTY = r"(?:be|have|go|use|run|come|end|start|stay|live|include|contain|match|pass|return|not)"
_RULE = _any(
    rf"^{_LEAD}(?:(?:in|for) (?:this|our) \w+,? )?(?:we )?(?:always|never|do(?:n'?t| not) ever)\b",
    rf"^{_LEAD}must (?:not |never |always )?{_DUTY}\b",
    rf"\bmust(?:n'?t| not| never| always)? {_DUTY}\b",
    r"\b(?:should|needs to|has to|have to) (?:always|never)\b",
    rf"\b(?:we|{_NOUN}) (?:always|never) \w+",
)
# What a part of the project should be or do, said of the thing and not of the task.
_PART = r"(?:[\w./`'-]+ )"
_SHOULD = _any(
    rf"^{_LEAD}(?:any|all|every|each|no) {_PART}{{1,9}}?should [a-z]+\b",
    rf"^{_LEAD}(?:in|for|on|with) (?:the|our|a|all|every) [^,]{{2,40}},? (?:the|our) {_PART}{{1,5}}should\b",
    rf"^{_LEAD}(?:the |our )?{_PART}{{1,6}}?should (?:not|never|always|only) [a-z]+\b",
    rf"^{_LEAD}(?:the |our )?{_PART}{{1,6}}?should (?:match|take precedence|default|follow|respect|"
    r"stay|return|fail|require|use)\b",
)
_NOT_SHOULD = _any(
    r"\bshould (?:have|work|now|also|probably|already|look|help|see|know|check|just|go|start|talk|ask|be "
    r"(?:fine|ok|okay|good|enough|able|a|an|easy|done|ready|safe|possible|fixed|there|it|addressed|added|"
    r"updated|removed|changed|moved|called))\b",
    r"\b(?:i|you|we|he|she|they|it|this|that|there|which|someone|somebody) should\b|\bnew\b| \.\.\. ",
)
_NOT_RULE = _any(
    r"\b(?:i|you|he|she|they|it|that|this|who|which|there) (?:\w+ ){0,2}(?:always|never|must)\b",
    r"\bmust have (?:been|missed|forgotten|broken|changed|gone)\b",
    r"\bmust be (?:a|an|the|some\w*|my|your|missing|wrong|because|due|tired|nice|kidding|joking)\b",
    r"\b(?:always|never) (?:mind|a|an|the case|been|ending|again|happy|fun|nice|seen|had|saw|did|was|"
    r"were|wrong|better|fails?|breaks?|crashes|hangs?|times? out|work(?:ed)?|finish(?:es|ed))\b",
    r"\balmost (?:always|never)\b",
    r"\bwe (?:always|never) (?:\w+ed|got|did|had|said|saw|knew|came|went|end|get|forget|seem|manage|"
    r"have (?:this|problems|trouble))\b",
)

# Facts: a part of the project, what it does, and an exact word for it.
_FACT = _any(
    r"\b(?:uses|(?:we|\w{3,}s) use|expects?|listens? on|runs? (?:on|at)|lives? (?:in|at|under))\b",
    r"\b(?:is|are) (?:stored|hosted|deployed|kept|served|pinned|defined|written|cached|configured|"
    r"built) (?:in|on|at|to|under|by|with|from|through)\b",
    r"\b(?:does(?:n'?t| not)|can(?:not|'?t)) (?!need|want|care|work|matter|seem|have to|look)"
    r"(?-i:[a-z]{3,}) \w+ \w+",
    r"\bis at [\w.~`-]*/[\w./`-]+",
    r"\b(?:defaults? to|talks? to|connects? to|points? (?:to|at)|is called|speaks?|returns|is on port)\b",
)
_FAULT = _any(r"\bnever (?:read|used|called|set|applied|reached|written|checked|updated|consumed)\b")
_OWNER = _any(
    rf"^{_LEAD}(?:fyi[,:]? )?(?:the|our|this|all|every|each|my) (?:[\w/.`-]+ ){{0,4}}?(?:{_NOUN})\b",
    rf"^{_LEAD}we (?:use|run|deploy|host|keep|store|pin)\b",
)
_OWNER_NAME = re.compile(
    r"^(?:(?:[Tt]he|[Oo]ur|[Tt]his) )?(?:`[^`]+`|[A-Z][\w.-]{2,}|\w+_\w+|[\w-]+\.\w{2,4}) (?=[a-z])"
)

# Names a lasting habit even where no noun of the trade is near.
_SHOULD_NEVER = re.compile(r"\bshould (?:not|never|always) (?:be|have|\w{3,}) \w+")
_NEWS = re.compile(r"\b(?:now|today|already|still)\b", re.IGNORECASE)
# About the moment, the place in front of the speaker or the task, not about the project.
_MOMENT = _any(
    r"\b(?:here|there|above|below|right now|for now|now|currently|today|yesterday|tomorrow|so far|yet|"
    r"at the moment|at this point|once|want(?:s|ed)?|let'?s|presumably|consider|notice|take a look)\b",
    r"\b(?:this|that|these|those) (?:pr|mr|branch|commit|change\w*|session|file|test|function|line|one|time|"
    r"issue|bug|step|point|case|way|message|output|comment|plan|review|work|approach)\b",
    r"\b(?:prs?|lines?) #?\d+|:\d+[-)]|\bL\d+|\(lines? |#\d+\b|\b(?:i|i'?m|i'?ll|i'?ve|my|me|you|your)\b",
)
# Rows of tables, lines of code, of diffs and of markup that stand among what was said.
_NOT_SAID = re.compile(r"^(?://|[|+#<{\[@]|[-*]{2,}|\\|[^\w\s`\"'(*])|</|&[lg]t;|=>|\u2192|:=|\{\}|\);")
_BARE = _any(
    rf"^{_LEAD}(?:returns?|uses?|using|requires?|needs?|handles?|expects?|fail(?:s|ed)|errors?|warning|cannot|unable|had|must|rather|adding|"
    r"consider|note|so|but|and|or|only|also|same|other)\b"
)

_REASONS: dict[Category, str] = {
    "verified_fix": "says what fixed a problem or caused it",
    "explicit_note": "asks to remember it",
    "discovery": "says what was found out",
    "requirement": "says what something needs",
    "rule": "says what to do always or never",
    "fact": "says how a part of the project is",
}
_CONFIDENCE: dict[Category, Confidence] = {
    "verified_fix": "high",
    "explicit_note": "high",
    "discovery": "medium",
    "requirement": "medium",
    "rule": "medium",
    "fact": "low",
}
# In a document everything is a note; what a person asks to remember is one in any text.
_ASKED = re.compile(
    rf"^{_LEAD}(?:remember|keep in mind|for the record|for future reference)\b", re.IGNORECASE
)
_VERB = _any(
    r"\b(?:is|are|was|were|be|has|have|had|uses?|needs?|wants?|must|should|shall|will|won'?t|can|can'?t|cannot|"
    r"may|runs?|lives?|never|always|do(?:es)?(?:n'?t)?|only|requires?|expects?|returns?|listens?|works?|means?|"
    r"goes|comes|takes?|keeps?|gets?|prefers?|likes?|speaks?|breaks?|fails?|starts?|stops?|depends?|[a-z]{3,}ed)\b"
)
_NOT_NOTE = _any(
    r"\b(?:once|when|after|before) (?:this|the|that) pr\b|\bwe (?:will |'ll )?(?:need|have) to\b|\btodo\b",
    r"^\W*(?:\w+ ){0,3}(?:note|important|nb|fyi)\W+(?:that )?(?:this|it|these|those|i|you|he|she|they)\b",
    r"\b(?:today|right now|for now|at this point)\b",
)
# What an assistant says about itself and its plans is no knowledge; what it verified may be.
_HEARD: dict[Role, frozenset[Category]] = {
    "user": frozenset(_REASONS),
    "assistant": frozenset({"verified_fix", "discovery"}),
    "tool": frozenset(),
}

_TYPED_CHARS, _TYPED_LINES = 2000, 30
_MACHINE = re.compile(
    r"^(?:This session is being continued|Caveat: |<[a-z][\w-]*>|#{1,3} \w|\|.*\|$|diff --git|@@ -\d)"
    r"|^(?:diff --git|\+\+\+ |--- a/|Traceback )",
    re.MULTILINE,
)

_LEADING = re.compile(_LEAD, re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*(```|~~~)")
_SENTENCE = re.compile(
    r"(?<!\bvs\.)(?<!e\.g\.)(?<!i\.e\.)(?<!\betc\.)(?<=[.!?])[\"')\]]{0,2}\s+(?=[A-Z`\"'(0-9])|[.!?]+$"
)
_BULLET = re.compile(r"^[\s>]*(?:[-*+\u2022]|\d{1,2}[.)])\s+|^\s+")
_QUOTED = re.compile(r"\"[^\"\n]{1,300}\"|\u201c[^\u201d\n]{1,300}\u201d|(?<!\w)'[^'\n]{3,300}'(?!\w)")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A sentence worth remembering, at `text[start:end]`."""

    learning: str
    category: Category
    confidence: Confidence
    reason: str
    start: int
    end: int


def is_pasted(text: str) -> bool:
    """Whether what a user sent is a document, a log or a report rather than his own words."""
    return len(text) > _TYPED_CHARS or text.count("\n") > _TYPED_LINES or bool(_MACHINE.search(text))


def propose(text: str, role: Role = "user", *, pasted: bool | None = None) -> list[Proposal]:
    """What `text` seems to teach, in order, each once. Never raises for any text.

    `pasted` says whether it is somebody else's text; None: `is_pasted` decides. Of such a text only what
    it asks to remember is heard.
    """
    heard = _HEARD[role]
    if pasted is None:
        pasted = role == "user" and is_pasted(text)
    if not heard:
        return []
    taken = [(f.start, f.end) for f in secrets.find(text)]
    found: list[Proposal] = []
    seen: set[str] = set()
    for start, end in _sentences(text):
        lead = _LEADING.match(text, start, end)
        start = lead.end() if lead else start
        learning = text[start:end]
        key = " ".join(learning.lower().split())
        if key in seen or len(learning) > MAX_CHARS:
            continue
        category = _category(learning)
        if category is None or category not in heard or (pasted and not _ASKED.search(learning)):
            continue
        if any(a < end and start < b for a, b in taken):
            continue
        seen.add(key)
        reason, confidence = _REASONS[category], _CONFIDENCE[category]
        found.append(Proposal(learning, category, confidence, reason, start, end))
    return found


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Sentences of the lines outside code blocks and quotations."""
    position, fence = 0, ""
    for line in text.splitlines(keepends=True):
        start, position = position, position + len(line)
        mark = _FENCE.match(line)
        if mark:
            fence = "" if fence == mark[1] else fence or mark[1]
            continue
        if fence or line.startswith(("    ", "\t", ">", "$ ", "Traceback", "diff ", "@@")):
            continue
        if len(line) > 4 * MAX_CHARS:  # a pasted blob
            continue
        bullet = _BULLET.match(line)
        begin = start + (bullet.end() if bullet else 0)
        for stop in [*(start + m.end() for m in _SENTENCE.finditer(line)), position]:
            part = text[begin:stop]
            left = begin + len(part) - len(part.lstrip())
            right = begin + len(part.rstrip())
            if right > left:
                yield left, right
            begin = max(begin, stop)


def _category(sentence: str) -> Category | None:
    """The first of the six that the sentence belongs to, or None."""
    words = sentence.split()
    plain = _QUOTED.sub(" ... ", sentence)
    if len(words) < _MIN_WORDS or _NOT_SAID.search(sentence):
        return None
    noted = _VERB.search(plain) and _NOTE.search(plain) and not _REMEMBER_TO.search(plain)
    if sentence.rstrip("\"')").endswith(("?", ":")) or (_QUESTION.search(plain) and not noted):
        return None
    if noted:
        return None if _NOT_NOTE.search(plain) else "explicit_note"
    if _HYPOTHETICAL.search(plain) or _PAST_TALK.search(plain):
        return None
    if not _CONCRETE.search(sentence) and not _SHOULD_NEVER.search(plain):
        return None
    fix = _FIX.search(plain)
    if fix:
        vague = _UNFINISHED.search(plain) or _FIX_OF_WHAT.search(plain) or not _leads(plain, fix.start())
        return None if vague else "verified_fix"
    if _FOUND.search(plain):
        return "discovery" if len(words) >= _MIN_FOUND and not _NEWS.search(plain) else None
    if _ORDER.search(plain) or _MOMENT.search(plain):
        return None
    if _RULE.search(plain) and not _NOT_RULE.search(plain):
        return "rule"
    if _PRONOUN.search(plain):
        return None
    if _SHOULD.search(plain) and not _NOT_SHOULD.search(plain):
        return "rule"
    return None if _BARE.search(plain) else _requirement_or_fact(plain)


def _requirement_or_fact(plain: str) -> Category | None:
    """A statement about a named part of the project, with an exact word in what is said of it."""
    owned = bool(_OWNER.search(plain) or _OWNER_NAME.search(plain))
    need = _REQUIRES.search(plain)
    if (
        need
        and _leads(plain, need.start())
        and not _VAGUE.match(plain, need.start())
        and not _WANT.search(plain)
    ):
        return "requirement" if owned and _CONCRETE.search(plain, need.start()) else None
    fact = _FACT.search(plain)
    if not fact or not _leads(plain, fact.start()) or _FAULT.search(plain):
        return None
    if _VAGUE.match(plain, fact.start()) or not _EXACT.search(plain, fact.start()):
        return None
    return "fact" if owned else None


def _leads(plain: str, place: int) -> bool:
    """Whether what stands at `place` is said of the beginning of the sentence, not of an aside."""
    before = plain[:place]
    return len(before.split()) <= _MAX_SUBJECT and not _ASIDE.search(before)
