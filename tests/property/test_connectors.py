"""Any settings file comes back: connecting and disconnecting is the identity, connecting twice is once."""

from __future__ import annotations

import json
import random
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError
from nexus.service.connectors import toml_text
from nexus.service.connectors.clients import CLIENTS, client
from nexus.service.connectors.json_text import JsonText
from nexus.service.connectors.plan import Service, Wish

WISH = Wish(hooks=False, service=Service("http://127.0.0.1:8123", "t" * 40, "small-model", 8192))
LOCAL = Wish(hooks=False, mcp=False, local=True, service=WISH.service)
# Names that we use too, so that they are met often.
NAMES = st.sampled_from(
    ["mcpServers", "servers", "env", "mcp", "context_servers", "a", "b c", "\u00fc", "nexus"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(NAMES, VALUES | st.dictionaries(NAMES, VALUES, max_size=2), max_size=4)
BLANKS = st.sampled_from(["", "\ufeff", "\n", " \r\n", "{}", "{ }\n", "{\n}\n", "\ufeff{}\r\n"])


@st.composite
def json_files(draw: Callable[[Any], Any]) -> str:
    """A document as somebody may have laid it out, with comments and commas that editors allow."""
    document = draw(DOCUMENTS)
    if not document:
        return str(draw(BLANKS))
    indent = draw(st.sampled_from([None, 1, 2, 4, "\t"]))
    text = json.dumps(document, indent=indent, ensure_ascii=draw(st.booleans()))
    chance = random.Random(draw(st.integers(0, 2**16)))
    if indent is not None and draw(st.booleans()):
        lines: list[str] = []
        for line in text.split("\n"):
            closes = (
                line.strip()[:1] in ("}", "]") and lines and lines[-1].strip()[-1:] not in ("{", "[", ",")
            )
            if closes and chance.random() < 0.5 and "//" not in lines[-1] and "/*" not in lines[-1]:
                lines[-1] += ","
            lines.append(line + chance.choice(["", "", " // note, }", " /* a { note */", "\t"]))
        text = "\n".join(lines)
    if draw(st.booleans()):
        text += "\n"
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return str(draw(st.sampled_from(["", "", "\ufeff"]))) + text


@st.composite
def toml_files(draw: Callable[[Any], Any]) -> str:
    """A document from pieces, in an order that TOML allows."""
    roots = [
        'model = "gpt"  # mine',
        "model_provider='openai'",
        '"model_context_window" = 5',
        "a.b = [1,\n  2, # two ]\n]",
        's = """\nmodel = "no"\n[mcp_servers.nexus]\n"""',
        "l = '''x\n# y'''",
        "  indented = { c = 1, d = [ {} ] }",
        'web_search = "live"',
        "features.goals = true",
        "skills = { include_instructions = true }",
        "# a comment",
        "",
    ]
    tables = [
        "[mcp_servers.other]\ncommand = 'x'\n",
        '[model_providers."other one"]\nname = "o" # c\n\n',
        "[[list]]\nx = 1\n[[list]]\nx = 2",
        "[ spaced . name ]\nmodel = 'not the root'\n# behind",
        "# before\n[empty]",
        "[features]  # mine\ngoals = true",
        "[agents.reviewer]\nmodel = 'x'",
        "[agents]",
    ]
    pieces = draw(st.lists(st.sampled_from(roots), unique=True, max_size=6))
    pieces += draw(st.lists(st.sampled_from(tables), unique=True, max_size=4))
    text = "\n".join(pieces) + draw(st.sampled_from(["", "\n", "\n\n"]))
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # pieces that exclude one another
        assume(False)
    return str(
        draw(st.sampled_from(["", "", "\ufeff"]))
        + (text.replace("\n", "\r\n") if draw(st.booleans()) else text)
    )


class Place:
    """A home with the settings of one client."""

    def __init__(self, name: str, home: Path, text: str | None) -> None:
        self.client = client(name)
        (home / "claude").mkdir()
        self.env = {
            "HOME": str(home),
            "PATH": str(home / "bin"),
            "NEXUS_HOME": str(home / "nexus"),
            "CLAUDE_CONFIG_DIR": str(home / "claude"),
        }
        # The settings come last, after files of our own that they name.
        self.path = self.client.connect(LOCAL if self.client.local else WISH, self.env).changes[-1].path
        if text is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_bytes(text.encode())

    def connect(self, wish: Wish) -> bool:
        """Whether anything was done."""
        plan = self.client.connect(wish, self.env)
        plan.carry_out(self.env)
        return not plan.empty

    def disconnect(self, wish: Wish = WISH) -> None:
        self.client.disconnect(Wish(service=wish.service), self.env).carry_out(self.env)

    def text(self) -> str | None:
        return self.path.read_bytes().decode() if self.path.exists() else None

    def tree(self, home: Path) -> set[str]:
        return {str(p) for p in home.rglob("*") if not p.is_relative_to(home / "nexus")}


def comes_back(name: str, wish: Wish, text: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        place = Place(name, home, text)
        before = place.tree(home)
        try:
            assert place.connect(wish)
        except InvalidInputError:
            # Something of somebody else's is in the way: it stays.
            assert place.text() == text
            return
        once = place.text()
        assert not place.connect(wish)
        assert place.text() == once
        assert place.client.connected(place.env)
        place.disconnect()
        assert place.text() == text
        assert place.tree(home) == before
        assert not list((home / "nexus" / "connections").iterdir())


@given(
    text=st.none() | json_files(),
    name=st.sampled_from([name for name in CLIENTS if name not in ("claude", "codex")]),
)
def test_the_settings_of_every_client_come_back(text: str | None, name: str) -> None:
    comes_back(name, WISH, text)


@given(text=st.none() | json_files())
def test_the_settings_of_claude_code_come_back(text: str | None) -> None:
    comes_back("claude", LOCAL, text)


@given(
    text=st.none() | toml_files(),
    wish=st.sampled_from([WISH, LOCAL, Wish(hooks=False, local=True, service=WISH.service)]),
)
def test_the_settings_of_codex_come_back(text: str | None, wish: Wish) -> None:
    comes_back("codex", wish, text)


@given(
    text=json_files(), name=st.sampled_from(["cursor", "vscode", "claude"]), value=VALUES, first=st.booleans()
)
def test_what_was_edited_meanwhile_stays_and_only_ours_goes(
    text: str, name: str, value: Any, first: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Place(name, Path(folder), text)
        wish = LOCAL if name == "claude" else WISH
        try:
            place.connect(wish)
        except InvalidInputError:
            return
        connected = place.text()
        assert connected is not None
        edited = with_member(connected, value, first)
        place.path.write_bytes(edited.encode())
        assert not place.connect(wish)
        place.disconnect()
        left = place.text()
        assert left is not None
        assert JsonText(left, "s").value() == {**JsonText(text, "s").value(), "edited": value}
        if JsonText(text, "s").value():
            # Where the member of the user's stands further in, it is because ours stood so, too.
            assert left.split() == with_member(text, value, first).split()


def with_member(text: str, value: Any, first: bool) -> str:
    """The text with another member, as a person would put it: at the end, or before everything."""
    if first and JsonText(text, "s").value():
        return text.replace("{", f'{{"edited": {json.dumps(value)},', 1)
    document = JsonText(text, "s")
    document.add([], "edited", value)
    return document.text


@given(text=toml_files(), local=st.booleans(), mcp=st.booleans())
def test_toml_that_was_edited_meanwhile_stays(text: str, local: bool, mcp: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Place("codex", Path(folder), text)
        wish = Wish(hooks=False, mcp=mcp or not local, local=local, service=WISH.service)
        try:
            place.connect(wish)
        except InvalidInputError:
            return
        added = "[added]\nx = '1'\n"
        joined = (place.text() or "") + added
        place.path.write_bytes(joined.encode())
        place.disconnect()
        left = place.text() or ""
        old = tomllib.loads(text.removeprefix("\ufeff"))
        assert tomllib.loads(left.removeprefix("\ufeff")) == {**old, "added": {"x": "1"}}
        assert left.startswith(text)
        assert left.endswith(added)


@given(toml_files())
def test_statements_cover_what_tomllib_reads(text: str) -> None:
    for statement in toml_text.statements(text):
        piece = text[statement.start : statement.end]
        assert tomllib.loads(piece)
        assert piece.count("\n") == 0 or piece.endswith("\n") or statement.end == len(text)
