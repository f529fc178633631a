"""Source code cut by definition, in every language with a grammar, and what hostile files cannot do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.cortex import code, grammars
from nexus.cortex.grammar_process import GrammarProcess

SOURCES = {
    "a.py": (
        "@mark\nclass A:\n    @mark\n    def b(self): pass\n    async def c(self): pass\ndef d(): pass\n",
        "A A.b A.c d",
    ),
    "a.js": (
        "export class A {\n  b() { return 1 }\n  static c() {}\n}\nconst d = async (x) => {\n}\n"
        "exports.e = function () {}\nexport default function f() {}\n",
        "A A.b A.c d exports.e f",
    ),
    "a.ts": (
        "export abstract class A<T> {\n  b(): void {}\n}\ninterface I { a: string }\ntype T = string\n"
        "enum E { A }\nnamespace N {\n  export function q() {}\n}\n",
        "A A.b I T E N N.q",
    ),
    "a.tsx": ("export function App(): JSX.Element {\n  return <div>a</div>\n}\n", "App"),
    "a.go": (
        "package a\n\nfunc F[T any](a int) {}\ntype S struct {\n\ta int\n}\n"
        "func (s *S) M() {}\nfunc (L[T]) N() {}\n",
        "F S S.M L.N",
    ),
    "a.rs": (
        "pub struct A { a: u8 }\nimpl<T> Drop for A<T> {\n  fn drop(&mut self) {}\n}\n"
        "impl A {\n  fn x() {}\n}\nmod m {\n  fn t() {}\n}\nmacro_rules! n { () => {} }\n",
        "A|Drop for A<T>|Drop for A<T>.drop|A|A.x|m|m.t|n",
    ),
    "a.c": (
        "#include <a.h>\nstatic int *add(int a)\n{\n return 0;\n}\nstruct s { int a; };\n"
        "typedef struct { int b; } t;\n#ifdef X\nvoid in(void) {}\n#endif\n",
        "add s t in",
    ),
    "a.cpp": (
        "namespace a {\ntemplate <class T>\nclass B : C {\n  void m() {}\n};\n}\n"
        "int A::f(int x) const { return 1; }\n",
        "a a.B a.B.m A::f",
    ),
    "a.java": (
        "@X\npublic class A {\n  @Override\n  void m() {}\n  A() {}\n}\nrecord R(int a) {}\n",
        "A A.m A.A R",
    ),
    "a.sh": ("f() {\n echo a\n}\nfunction g { :; }\n", "f g"),
    "a.rb": (
        "module M\n  class A < B\n    def x; end\n    def self.y\n    end\n  end\nend\n",
        "M M.A M.A.x M.A.y",
    ),
    "a.cs": (
        "namespace N {\n  [A]\n  public class C {\n    void M() {}\n  }\n  enum E {A}\n}\n",
        "N N.C N.C.M N.E",
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_definitions_of_every_language_are_found(name: str) -> None:
    source, expected = SOURCES[name]
    found = grammars.find(source.encode(), name[1:])
    assert not found.broken
    names = expected.split("|" if "|" in expected else " ")
    assert [".".join(definition.path) for definition in found.definitions] == names


def test_decorators_and_what_is_around_belong_to_a_definition() -> None:
    starts = {
        name: grammars.find(source.encode(), name[1:]).definitions for name, (source, _) in SOURCES.items()
    }
    assert [definition.first for definition in starts["a.py"]] == [0, 2, 4, 5]
    assert starts["a.cpp"][1].first == 1  # template <class T>
    assert starts["a.cs"][1].first == 1  # [A]


def paths(text: str, name: str, *, long: bool = True) -> list[tuple[str, ...]]:
    return [section.heading for section in code.sections(text, name, lambda start, end: long)]


def test_a_class_that_is_too_long_is_opened_and_another_is_not() -> None:
    text = "class A {\n  int a;\n\n  /** Doc. */\n  void m() {}\n\n  int b;\n}\n"
    assert paths(text, "a.java") == [("A",), ("A", "m"), ("A",)]
    assert paths(text, "a.java", long=False) == [("A",)]
    method = code.sections(text, "a.java", lambda start, end: True)[1].blocks[0]
    assert text[method.start : method.end] == "  /** Doc. */\n  void m() {}"


@pytest.mark.parametrize(
    "text", ["def a():\r    pass\rdef b():\r    pass\r", "def a(:\n    x\n\ndef b():\n    x\n"]
)
def test_what_the_grammar_cannot_read_is_cut_by_its_outline(text: str) -> None:
    assert paths(text, "a.py") == [("a",), ("b",)]


@pytest.fixture
def process() -> Iterator[GrammarProcess]:
    child = GrammarProcess()
    yield child
    child.close()


def pid(process: GrammarProcess) -> int:
    """The child's process id."""
    child = process._child
    assert child is not None
    return child.pid


@pytest.mark.parametrize(("suffix", "line"), [(".java", "a<\n"), (".cs", "a<\n"), (".c", "a=>\n")])
def test_a_file_that_kills_the_parser_kills_nothing_else(
    process: GrammarProcess, suffix: str, line: str
) -> None:
    before = process.find(*_good())
    killed = process.find(line * 60_000, suffix)
    assert killed is None or killed.broken
    assert process.find(*_good()) == before


def test_a_file_that_takes_too_long_is_given_up() -> None:
    process = GrammarProcess(patience=0.5)
    text = "echo a.b(c)(d)\n" * 100_000
    assert process.find(text, ".sh") is None
    process.close()


def test_a_killed_process_is_started_again(process: GrammarProcess) -> None:
    first = process.find(*_good())
    os.kill(pid(process), signal.SIGKILL)
    again = [process.find(*_good()) for _ in range(2)]
    assert again[-1] == first
    assert first is not None


def test_a_language_without_a_grammar_starts_no_process(process: GrammarProcess) -> None:
    assert process.find("a = 1", ".toml") is None
    assert process._child is None


def test_the_process_ends_with_its_parent() -> None:
    script = (
        "import os, signal\n"
        "from nexus.cortex.grammar_process import GrammarProcess\n"
        "child = GrammarProcess(); child.find('def a(): pass', '.py')\n"
        "print(child._child.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    child = int(run.stdout)
    for _ in range(1000):
        if not _alive(child):
            break
        os.sched_yield()
        signal.sigtimedwait([], 0.01)
    assert not _alive(child)


def test_nothing_of_the_folder_at_hand_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("json.py", "tree_sitter.py", "nexus.py", "struct.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.chdir(tmp_path)
    process = GrammarProcess()
    assert process.find(*_good()) is not None
    process.close()
    assert not (tmp_path / "ran").exists()


def _good() -> tuple[str, str]:
    return "def a():\n    pass\n", ".py"


def _alive(child: int) -> bool:
    """Whether a process is there and not merely waiting to be collected."""
    try:
        state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
