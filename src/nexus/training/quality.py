"""Whether a question and its answer are worth learning from.

Looks at the text alone: knows nothing of who wrote it, nor of what was taught before. Invariants:
linear in the length; the first reason that holds is given, "" means that nothing speaks against it.
"""

from __future__ import annotations

import re
import unicodedata
import zlib

QUESTION_CHARS = (12, 400)
ANSWER_CHARS = (60, 6_000)
LEAST_WORDS = 12
LONGEST_WORD = 80

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
# Only at the beginning: an answer about robots may hold these words.
_REFUSAL = re.compile(
    r"(?i)\W*(?:(?:i['’]?m|i am) (?:very |so )?(?:sorry|afraid|unable|not able|not sure)|sorry\b"
    r"|unfortunately,? i\b|i (?:can(?:not|['’]?t)|do not|don['’]?t|will not|won['’]?t) (?:\w+ )?"
    r"(?:help|assist|answer|provide|know|do that|discuss|have (?:enough|access|information))"
    r"|as an? (?:\w+ )?(?:ai|language model|assistant)\b|my (?:knowledge|training) (?:cutoff|data)|error[: ])"
)
_NOT_WORDS = re.compile(r"[\ufffd\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_COMMON = frozenset(
    "about after also another because been before being between both called could does each explain"
    " first from give have into just like made many more most much must name only other over same should"
    " some such than that their them then there these they this those three through under used using very"
    " what when where which while whom whose will with within without would your describe define discuss"
    " briefly state what's".split()
)
_STEM = 5  # letters; `entangled` and `entanglement` are one word here


def words(text: str) -> list[str]:
    """The words of a text, folded, so that two spellings of one text are one."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def objection(question: str, answer: str, topic: str = "") -> str:
    """Why the pair is not learnt, in one word or two; "" where it may be."""
    asked, answered = question.strip(), answer.strip()
    if not QUESTION_CHARS[0] <= len(asked) <= QUESTION_CHARS[1] or "?" not in asked:
        return "no question"
    if not ANSWER_CHARS[0] <= len(answered) <= ANSWER_CHARS[1]:
        return "length"
    if not _is_language(answered) or not _is_language(asked):
        return "no language"
    if _REFUSAL.match(answered):
        return "refusal"
    said = words(answered)
    if _repeats(answered, said):
        return "repetition"
    if not _meets(words(asked), said, words(topic)):
        return "off the question"
    return ""


def _is_language(text: str) -> bool:
    """Letters, words of ordinary length, no control characters."""
    if _NOT_WORDS.search(text):
        return False
    letters = sum(c.isalpha() or c.isspace() or unicodedata.category(c) == "Mn" for c in text)
    if letters < 0.75 * len(text):
        return False
    found = words(text)
    if not found:
        return False
    # Chinese and Japanese write no spaces, so long "words" are only wrong where letters have cases.
    cased = sum(c.isupper() or c.islower() for c in text) > len(text) // 2
    if cased and max(map(len, text.split())) > LONGEST_WORD:
        return False
    return not cased or 2.0 <= sum(map(len, found)) / len(found) <= 14.0


def _repeats(text: str, said: list[str]) -> bool:
    """Whether the model got caught in a loop, or says nearly nothing."""
    lines = [line.strip() for line in text.splitlines() if len(line.strip()) > 20]
    if len(lines) - len(set(lines)) >= 2:
        return True
    if len(said) >= LEAST_WORDS:
        if len(set(said)) < LEAST_WORDS // 2:
            return True
        runs = list(zip(said, said[1:], said[2:], strict=False))
        if len(set(runs)) < 0.6 * len(runs):
            return True
    raw = text.encode("utf-8", "replace")
    return len(raw) > 200 and len(zlib.compress(raw)) * 4 < len(raw)


def _meets(asked: list[str], said: list[str], topic: list[str]) -> bool:
    """Whether the answer speaks of what was asked, or of the topic, and is more than the question."""
    stems = {word[:_STEM] for word in said}
    wanted = {word[:_STEM] for word in [*asked, *topic] if len(word) > 3 and word not in _COMMON}
    if wanted and not wanted & stems:
        return False
    return len(set(said) - set(asked)) >= LEAST_WORDS // 2
