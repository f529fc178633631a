"""One story on one running service: what it is told, shown and asked by a user goes through the whole house.

The steps follow each other and share the house; a step that fails is the cause of those behind it. Two things
stand in for what no machine of these tests has: a script for Claude Code's model, and where there is no
`claude`, its hooks and calls without it (`story_coder`). What a machine cannot do is left out with a reason.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from playwright.sync_api import Browser, Locator, expect

from nexus.core.errors import MissingPartError
from nexus.unikernel.images import Image
from tests.memex_mounts import needs_fuse
from tests.system.browser import DashboardService, opened, view
from tests.system.scripted_model import scripted_model
from tests.system.story import OWN_BYTES, House, until
from tests.system.story_coder import ClaudeCode, Coder, Hooked
from tests.system.test_claude_code import CLAUDE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

HARBOUR = """\
# The harbour

## The market

The fish market on the quay opens at five in the morning and closes at noon.

## Pilots

Ships longer than ninety metres take a pilot at the outer buoy.
"""
FERRY = "\n## Ferries\n\nThe night ferry to Skagen leaves from pier nine at twenty to twelve.\n"
FACT = "Remember: our staging database listens on port 6543"
PORT = "staging database listens on port 6543"
QUESTION = "Which port does the staging database listen on?"
LATE = "the spare key of the boathouse hangs behind the barometer"
CODE = "import datetime\nprint(datetime.date(2024, 2, 29).strftime('%A %d %B %Y'))\n"
PRINTED = "Thursday 29 February 2024"
SAID = ("The bell on the mole is rung by hand in fog.", "Lamp oil is kept in the cellar of the mill.")
MODEL = "smollm2-135m"
TRAINED = 8192  # tokens that this model was trained on; beyond them it reads chosen pages
BLOCK = 128
PATIENT = 600_000  # ms
SHIPS = "Aurelia Borealis Cormorant Dunlin Egret Fulmar Gannet Heron".split()
GOODS = "timber rope salt barley wool tar slate copper".split()


@pytest.fixture(scope="module")
def house(
    tmp_path_factory: pytest.TempPathFactory,
    models_folder: Path,
    granite_folder: Path,
    embedder_folder: Path,
    smollm2_path: Path,
) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("story"), models_folder)
    try:
        house.start()
        yield house
    finally:
        house.end()


@pytest.fixture(scope="module")
def coder(house: House) -> Iterator[Coder]:
    if not CLAUDE:
        stand_in = Hooked(house.service, house.root / "coder")
        print(
            f"no `claude` in PATH or NEXUS_TEST_CLAUDE (npm install -g @anthropic-ai/claude-code):"
            f" {stand_in.name} instead"
        )
        yield stand_in
        return
    with scripted_model() as model:
        yield ClaudeCode(house.service, model, house.root / "coder", Path(CLAUDE))


@pytest.fixture(scope="module")
def talk() -> list[dict[str, str]]:
    """A conversation longer than what the model was trained on, with one thing in it that matters."""
    turns = []
    for day in range(170):
        ship, goods = SHIPS[day % 8], GOODS[day // 8 % 8]
        said = f"On day {day + 1} the {ship} brought {7 * day + 3} crates of {goods} to shed {day % 17 + 1},"
        said += f" and the tide was {day % 9 + 2} feet high."
        if day == 4:
            said += " By the way: the locker of the lighthouse keeper has the number 4417."
        turns.append({"role": "user", "content": said})
        turns.append({"role": "assistant", "content": f"I have noted the {goods} of the {ship}."})
    return [*turns, {"role": "user", "content": "What number has the locker of the lighthouse keeper?"}]


def asked(house: House, talk: list[dict[str, str]]) -> Any:
    """The answer of the chat model, by the client and in the way of the guide."""
    address = f"{house.service.url}/v1"
    with openai.OpenAI(base_url=address, api_key=house.service.token, max_retries=0, timeout=1500) as client:
        messages: Any = talk
        return client.chat.completions.create(model=MODEL, messages=messages, max_tokens=12, temperature=0)


def waits(house: House) -> str:
    """The proposal of the fact, as `nexus memories proposals` names it."""

    def named() -> str:
        found = house.api("GET", "/api/proposals")["proposals"]
        return next((str(each["id"]) for each in found if "6543" in each["learning"]), "")

    return until(named, "the fact is proposed")


def test_documents_are_added_followed_and_asked_about(house: House) -> None:
    house.documents.mkdir()
    (house.documents / "harbour.md").write_text(HARBOUR)
    assert "1 added" in house.nexus("add", str(house.documents))
    assert "harbour.md" in house.nexus("recall", "when can I buy fish")
    answer = house.nexus("ask", "When does the fish market open?")
    assert "harbour.md" in answer
    assert re.search(r"\d+ \+ \d+ tokens", answer), "the model has answered"
    roots = house.api("GET", "/api/knowledge")
    assert roots["roots"] == [{"path": str(house.documents), "documents": 1}]

    with (house.documents / "harbour.md").open("a") as harbour:
        harbour.write(FERRY)
    until(lambda: "pier nine" in house.recalled("night ferry to Skagen"), "the change is found")
    assert "pier nine" in house.nexus("recall", "where does the night ferry leave from")


def test_what_is_said_in_a_session_is_approved_and_given_to_the_next(house: House, coder: Coder) -> None:
    coder.connect()
    print(f"the agent is {coder.name}")
    assert PORT in coder.session(FACT)
    proposal = waits(house)
    assert f"> {PORT}" not in coder.session(QUESTION), "nothing is remembered before it is approved"
    assert proposal in house.nexus("memories", "proposals")
    assert PORT in house.nexus("memories", "approve", proposal)
    given = coder.session(QUESTION)
    assert "<nexus-memory>" in given
    assert PORT in given
    assert "confirmed by the user" in given
    assert proposal not in str(house.api("GET", "/api/proposals"))
    assert PORT in str(house.api("GET", "/api/memories")["memories"])
    # What was said is there to be found, too.
    until(lambda: "6543" in house.recalled("staging database port", "transcript"), "the session is found")


@needs_fuse
def test_the_fact_is_a_file_under_search(house: House) -> None:
    assert str(house.mount) in house.nexus("mount", str(house.mount))
    house.mounted = True
    house.nexus("memories", "export", str(house.mount / "files" / "memories"))

    def found() -> Path | None:
        return next((file for file in house.shown_as_files(QUESTION) if PORT in file.read_text()), None)

    file = until(found, "the fact is a file")
    [memory] = house.api("GET", "/api/memories")["memories"]
    assert file.name.endswith(f"{memory['id']}.md")
    assert memory["id"] in house.nexus("memex", "search", QUESTION)
    assert house.api("GET", "/api/memex/status")["mount"]["point"] == str(house.mount)


def test_code_of_an_agent_runs_in_the_sandbox(house: House, coder: Coder, python_image: Image) -> None:
    shelf = house.service.root / "cache" / "unikernel"
    shelf.mkdir(parents=True, exist_ok=True)
    # `make up` builds it into each home; here it is built once for all tests.
    (shelf / python_image.key).symlink_to(python_image.folder)
    house.sandboxes = True
    assert PRINTED in coder.run_python("Which day of the week was 2024-02-29?", CODE)
    assert house.api("GET", "/api/sandbox")["endings"] == {"exited": 1}
    assert house.nexus("sandbox", "run", "-", input="print(sum(range(10)))") == "45\n"
    secret = house.root / "secret.txt"
    secret.write_text("nobody granted this")
    refused = house.nexus("sandbox", "run", "-", input=f"print(open({str(secret)!r}).read())", status=1)
    assert "nobody granted this" not in refused


def test_a_conversation_longer_than_the_window_is_answered_from_pages(
    house: House, talk: list[dict[str, str]]
) -> None:
    first = asked(house, talk)
    assert first.usage.prompt_tokens > TRAINED
    assert first.choices[0].message.content.strip()
    stored = house.told("engine", "prefixes")
    # All of it is on the disk, more than there is RAM for; what the answer needs of it is fetched.
    assert stored["tokens"] > TRAINED
    assert stored["store_disk_bytes"] > 80 << 20
    assert stored["store_misses"] > 0
    more = [*talk, {"role": "assistant", "content": "4417."}, {"role": "user", "content": "Thank you."}]
    second = asked(house, more)
    assert second.usage.prompt_tokens_details.cached_tokens > TRAINED, "it is not read again"
    after = house.api("GET", "/api/engine/prefixes")
    assert after["store_misses"] > stored["store_misses"], "pages came back from the disk"
    status = house.api("GET", "/api/status")
    assert status["model"]["context"] == 2 * TRAINED
    print(
        f"{first.usage.prompt_tokens} tokens of prompt, {after['store_hits']} pages from RAM and"
        f" {after['store_misses']} from the disk; it said {first.choices[0].message.content!r}"
    )


def test_an_agent_is_paused_and_resumed_with_all_it_had(house: House) -> None:
    whole = house.start_agent("ada")
    [before] = house.told("agents")["agents"]
    assert (before["name"], before["private_bytes"] > OWN_BYTES) == ("ada", True)
    until(lambda: house.api("GET", "/api/status")["agents"]["running"] == 1, "the page counts it")
    missing = house.make_swap()
    done = house.service.cli("agents", "pause", "ada")
    if missing and done.returncode == MissingPartError.exit_status:
        # Then the command says what to do, and the agent goes on.
        assert "nexus tune" in done.stderr
        assert house.ask_agent("anybody?") == whole
        pytest.skip(f"nothing can be paused here: {missing}")
    assert done.returncode == 0, done.stderr
    assert "paused ada" in done.stdout
    [paused] = house.told("agents")["agents"]
    assert paused["state"] == "paused"
    assert paused["private_bytes"] < before["private_bytes"] / 4
    until(lambda: house.api("GET", "/api/status")["agents"]["paused"] == 1, "the page says that it is paused")
    assert "resumed ada" in house.nexus("agents", "resume", "ada")
    assert house.ask_agent("anybody?") == whole
    [after] = house.told("agents")["agents"]
    assert after["state"] != "paused"


def test_what_was_said_is_learnt_in_the_background(house: House) -> None:
    def learning() -> Any:
        return house.api("GET", "/api/status")["learning"]

    until(lambda: learning().get("replay", {}).get("items"), "what was said has reached the learner")
    begun = until(lambda: learning().get("bytes_learned"), "it learns")
    # Of what is said one passage in eight only measures, so two things are said.
    for said in SAID:
        house.nexus("ask", said, "--max-tokens", "8")
    until(lambda: learning().get("bytes_learned", 0) > begun, "it learns more")
    assert re.search(r"learnt +[\d,]+ kB of text", house.nexus("learn", "status"))
    assert house.api("GET", "/api/learning")


@pytest.mark.browser
def test_the_dashboard_shows_every_step(house: House, chromium: Browser) -> None:
    service = house.service
    assert f"{service.url}/dashboard#token=" in house.nexus("token", "--url")
    with opened(chromium, _as_dashboard(house)) as page:

        def shows(place: str, *words: str) -> Locator:
            found = page.locator(place)
            for each in words:
                expect(found).to_contain_text(each, timeout=PATIENT)
            return found

        view(page, "Remembered")
        shows("#memories", PORT)
        view(page, "Files")
        shows("#roots", str(house.documents), "followed")
        shows("#documents", "harbour.md")
        if house.mounted:
            shows("#memex", str(house.mount))
        view(page, "Knowledge")
        page.locator("#search input").first.fill("where does the night ferry leave from")
        page.keyboard.press("Enter")
        shows("#found", "harbour.md")
        view(page, "Agents")
        shows("#traffic", "Claude Code")
        shows("#agent-processes", "ada")
        shows("#sessions", "staging database")
        if house.sandboxes:
            view(page, "Sandbox")
            shows("#sandbox-state", "exited")
        view(page, "Models")
        shows("#model-list", MODEL)
        view(page, "Learning")
        shows("#learning-state")
        expect(page.locator("#curve-depth b")).not_to_have_text("not known", timeout=PATIENT)


def test_killed_at_once_it_has_lost_nothing(house: House, coder: Coder, talk: list[dict[str, str]]) -> None:
    assert LATE in house.nexus("remember", LATE)
    assert house.service.process
    dead = house.service.process.pid
    house.service.kill()
    if house.mounted:
        # The files are there without it.
        assert any(PORT in file.read_text() for file in (house.mount / "files" / "memories").iterdir())
    if house.agent:
        assert house.ask_agent("still there?")
    house.start()
    assert f"process {dead}" in house.nexus("status")
    recovery = house.api("GET", "/api/status")["recovery"]
    assert (recovery["last_stop"], recovery["killed"]["pid"]) == ("killed", dead)

    listed = house.nexus("memories", "list")
    assert PORT in listed
    assert LATE in listed
    assert "pier nine" in house.nexus("recall", "where does the night ferry leave from")
    assert "barometer" in house.nexus("recall", "where is the key of the boathouse")
    assert "6543" in house.recalled("staging database port", "transcript")
    assert PORT in coder.session(QUESTION)
    # What the model had read is not read again.
    again = asked(house, talk)
    assert again.usage.prompt_tokens_details.cached_tokens > TRAINED - 2 * BLOCK
    learnt = until(
        lambda: house.api("GET", "/api/status")["learning"].get("replay", {}).get("items"),
        "the learner is back",
    )
    assert learnt
    if house.mounted:
        until(
            lambda: any(PORT in file.read_text() for file in house.shown_as_files(QUESTION)),
            "the fact is a file again",
        )
    if house.sandboxes:
        assert house.nexus("sandbox", "run", "-", input="print('as before')") == "as before\n"
    house.nexus("index", "verify")
    with (house.documents / "harbour.md").open("a") as harbour:
        harbour.write("\n## Fog\n\nIn fog the bell on the mole rings twice a minute.\n")
    until(lambda: "twice a minute" in house.recalled("the bell in fog"), "the folder is followed again")


def _as_dashboard(house: House) -> DashboardService:
    """The running service, in the form that the browser's tests take."""
    shown = DashboardService(house.service.root, Path(os.devnull))
    shown.port, shown.url = house.service.port, house.service.url
    return shown
