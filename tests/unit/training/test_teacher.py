"""The teacher, asked over real HTTP: by the official Ollama client, and as an OpenAI-compatible server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from threading import Event, Thread

import pytest

from nexus.core.breaker import Breaker
from nexus.core.errors import ConfigError
from nexus.training.bounded_http import NotWantedError
from nexus.training.known_text import KnownText
from nexus.training.sources import MOST_BYTES, Source, TeacherError, source
from nexus.training.teacher import OWN_WORDS, Pair, Teacher, topics
from tests.scripted_teacher import Manner, Script, teaching

PAIRS = [
    (
        "What does the uncertainty principle say about position and momentum?",
        "The uncertainty principle says that position and momentum of a particle cannot both be sharp: the"
        " product of their spreads is at least half of the reduced Planck constant. It is no fault of the"
        " instruments but a property of waves, for a short wave packet needs many wavelengths.",
    ),
    (
        "Why do electrons in an atom have discrete energies?",
        "Electrons in an atom are standing waves around the nucleus, and only certain waves fit. Each that"
        " fits has its own energy, so the atom takes in or gives off light only of the colours that belong"
        " to the differences between two such energies.",
    ),
]
KINDS = ["ollama", "openai"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def script() -> Script:
    return Script(PAIRS)


@pytest.fixture
def url(script: Script) -> Iterator[str]:
    with teaching(script) as address:
        yield address


def asked(kind: str, url: str, seconds: float = 30, stop: Event | None = None) -> Source:
    address = url if kind == "ollama" else f"{url}/v1"
    return source(kind, address, "wise-model", "key", seconds, (stop or Event()).is_set)


def test_lessons_come_one_by_one_and_are_never_given_twice(kind: str, url: str, script: Script) -> None:
    with closing(Teacher(asked(kind, url), Breaker("teacher"), seed=1)) as teacher:
        first, second = teacher.next_pair("quantum physics"), teacher.next_pair("quantum physics")
        assert [(p.question, p.answer) for p in (first, second) if p] == PAIRS
        assert first is not None
        assert first.text.startswith(PAIRS[0][0])
        assert teacher.next_pair("quantum physics") is None
        assert teacher.refused == {"taught before": 1}
        assert (teacher.pairs, teacher.breaker.state) == (2, "CLOSED")
    assert all("quantum physics" in prompt for prompt in script.asked)


def test_without_a_topic_it_is_an_academic_one(kind: str, url: str, script: Script) -> None:
    with closing(Teacher(asked(kind, url), Breaker("teacher"), seed=1)) as teacher:
        pair = teacher.next_pair()
    assert pair is not None
    assert pair.topic in topics()
    assert pair.topic in script.asked[0]


def test_about_a_hundred_topics_and_no_two_the_same() -> None:
    assert len(set(topics())) == len(topics()) >= 100
    assert "quantum physics" in topics()


@pytest.mark.parametrize(
    ("manner", "says"),
    [
        ("binary", "no answer"),
        ("huge", f"longer than {MOST_BYTES} bytes"),
        ("endless", "does not come to an end"),
        ("status", "fire"),
        ("error", "lunch"),
        ("list", "no answer"),
        ("deep", "no answer|longer"),
        ("number", "int|no answer"),
        ("packed", "packed"),
    ],
)
def test_garbage_is_an_error_with_words(
    kind: str, url: str, script: Script, manner: Manner, says: str
) -> None:
    script.manner = manner
    with closing(asked(kind, url)) as source, pytest.raises(TeacherError, match=rf"(?s){kind}.*({says})"):
        source.say("why?")


@pytest.mark.parametrize("manner", ["silent", "slow"])
def test_a_slow_teacher_is_left_when_its_time_is_over(
    kind: str, url: str, script: Script, manner: Manner
) -> None:
    script.manner = manner
    with closing(asked(kind, url, seconds=0.5)) as source, pytest.raises(TeacherError, match=r"slow|longer"):
        source.say("why?")


def test_an_answer_that_is_not_wanted_any_more_is_left(kind: str, url: str, script: Script) -> None:
    script.manner = "slow"
    stop = Event()
    caught: list[Exception] = []

    def ask() -> None:
        with closing(asked(kind, url, 60, stop)) as source:
            try:
                source.say("why?")
            except NotWantedError as error:
                caught.append(error)

    asker = Thread(target=ask)
    asker.start()
    stop.set()
    asker.join(30)
    assert len(caught) == 1


def test_a_teacher_that_is_down_opens_its_breaker_and_is_asked_again_later(kind: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        now = [0.0]
        breaker = Breaker("teacher", clock=lambda: now[0])
        with closing(Teacher(asked(kind, f"http://127.0.0.1:{nobody.getsockname()[1]}"), breaker)) as teacher:
            for _ in range(3):
                assert teacher.next_pair() is None
                assert "not there" in teacher.trouble
            states = [breaker.state]
            assert teacher.next_pair() is None
            assert "tried again" in teacher.trouble
            now[0] = 61.0
            states.append(breaker.state)
            assert teacher.next_pair() is None
            states.append(breaker.state)
            assert states == ["OPEN", "HALF_OPEN", "OPEN"]


def test_a_question_that_was_called_off_is_nobodys_failure(url: str, script: Script) -> None:
    stop = Event()
    stop.set()
    with closing(Teacher(asked("ollama", url, 30, stop), Breaker("teacher", failures=1))) as teacher:
        assert teacher.next_pair() is None
        assert (teacher.breaker.state, teacher.trouble, dict(teacher.refused)) == ("CLOSED", "", {})


def test_what_the_learner_said_or_read_is_no_lesson(url: str) -> None:
    own = KnownText()
    own.add(PAIRS[0][1])
    with closing(Teacher(asked("ollama", url), Breaker("teacher"), own=own)) as teacher:
        assert teacher.next_pair() is None
        assert teacher.refused == {OWN_WORDS: 1}
        assert teacher.next_pair() is not None


def test_nearly_the_same_lesson_is_refused(url: str) -> None:
    with closing(Teacher(asked("ollama", url), Breaker("teacher"))) as teacher:
        first = teacher.next_pair()
        assert first is not None
        nearly = Pair(first.topic, first.question, first.answer.replace("instruments", "apparatus"))
        assert teacher.judge(nearly) == "taught before"
        assert teacher.judge(Pair("", *PAIRS[1])) == ""


def test_thinking_aloud_and_labels_are_left_out() -> None:
    pairs = [(f"**Question:** {PAIRS[0][0]} (10 points)", f"<think>hm, hm</think>Answer: {PAIRS[0][1]}")]

    class Labelled(Script):
        def answer(self, prompt: str) -> str:
            return pairs[0]["Write one short question" not in prompt]

    with teaching(Labelled(pairs)) as url, closing(Teacher(asked("ollama", url), Breaker("t"))) as teacher:
        pair = teacher.next_pair("quantum physics")
        assert pair == Pair("quantum physics", *PAIRS[0])


@pytest.mark.parametrize(
    ("kind", "url", "model"),
    [
        ("ollama", "", ""),
        ("openai", "", "m"),
        ("openai", "http://[", "m"),
        ("ollama", "ftp://x", "m"),
        ("oracle", "", "m"),
    ],
)
def test_settings_that_cannot_be_are_named(kind: str, url: str, model: str) -> None:
    with pytest.raises(ConfigError, match="training"):
        source(kind, url, model, "", 5, lambda: False)
