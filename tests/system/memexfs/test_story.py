"""A newcomer's day with MemexFS: a real service, a real mount, the real embedder, other people's programs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nexus.memexfs.launch import serving
from tests.memex_corpus import QUESTIONS, write
from tests.memex_mounts import needs_fuse, take_away
from tests.running import Service, running

pytestmark = [needs_fuse]
_REFUNDS = "how we handle refunds"
_PATIENCE = 600.0


class Day(NamedTuple):
    """The service and where its files are mounted."""

    service: Service
    mount: Path

    @property
    def files(self) -> Path:
        return self.mount / "files"

    def search(self, question: str) -> list[str]:
        return sorted(os.listdir(self.mount / "search" / question))

    def shown(self, question: str, name: str) -> Path | None:
        """The file of this name among the first three results."""
        folder = self.mount / "search" / question
        return next((folder / found for found in self.search(question)[:3] if found[3:] == name), None)

    def state(self) -> dict[str, Any]:
        with self.service.client() as http:
            found: dict[str, Any] = http.get("/api/memex/status").json()
            return found


def wait(what: str, until: Callable[[], object], seconds: float = _PATIENCE) -> None:
    """Until it is so; the machine may be slow, but not for ever."""
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.2)


def run(*command: str | Path, cwd: Path | None = None, **env: str) -> str:
    """A program's output; its failure is the test's."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> Iterator[Day]:
    """`nexus up`, `nexus mount`, and 200 files copied in by `cp -r`, read to the last one."""
    root = tmp_path_factory.mktemp("memex")
    point = root / "memex"
    with running(root / "home", models_folder, NEXUS_TRAINING_ENABLED="false") as service:
        try:
            mounted = service.cli("mount", str(point))
            assert mounted.returncode == 0, mounted.stderr
            assert mounted.stdout.strip() == str(point)
            today = Day(service, point)
            write(root / "papers", 200)
            run("cp", "-r", root / "papers", today.files)
            total = sum(len(names) for *_, names in os.walk(root / "papers"))
            wait("200 files are read", lambda: today.state()["files"].get("indexed", 0) == total)
            yield today
        finally:
            _unmounted(service.root, point)


def _unmounted(home: Path, point: Path) -> None:
    found = serving(home)
    take_away(point)
    if found is not None:
        deadline = time.monotonic() + 20
        while serving(home) is not None and time.monotonic() < deadline:
            time.sleep(0.05)
        for pid in (found.worker, found.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, 9)


def test_a_file_is_found_by_what_it_is_about(day: Day) -> None:
    asked = {question.text: question.path for question in QUESTIONS}
    right = day.files / "papers" / asked[_REFUNDS]
    names = day.search(_REFUNDS)
    assert names[0].endswith(right.name), names[:5]
    found = day.mount / "search" / _REFUNDS / names[0]
    assert found.read_bytes() == right.read_bytes()
    assert found.stat().st_ino == right.stat().st_ino
    passage = (day.mount / "search" / _REFUNDS / ".why").read_text()
    assert f"files/papers/{asked[_REFUNDS]}" in passage
    text = "\n".join(line for line in passage.splitlines()[1:8])
    assert "refund" not in text.lower()


def test_an_editor_in_a_search_edits_the_real_file(day: Day) -> None:
    note = day.files / "coast" / "lamp.md"
    note.parent.mkdir(exist_ok=True)
    note.write_text("# The lamp on the cliff\n\nIt turns once in nine seconds; ships steer by it.\n")
    question = "beacon that guides boats at night"
    wait("the new file is found", lambda: day.shown(question, "lamp.md"))
    shown = day.shown(question, "lamp.md")
    assert shown is not None
    run("vim", "-es", "-N", "-u", "NONE", "-c", "%s/nine/seven/", "-c", "wq", shown, TERM="dumb")
    assert "in seven" in note.read_text()
    versions = day.mount / "versions" / "coast" / "lamp.md"
    wait("what it was before is a version", lambda: versions.is_dir() and list(versions.iterdir()))
    assert "in nine" in min(versions.iterdir()).read_text()
    restored = day.service.cli("memex", "restore", str(note))
    assert restored.returncode == 0, restored.stderr
    assert "in nine" in note.read_text()


def test_git_and_make_work_in_files(day: Day) -> None:
    project = day.files / "count"
    shutil.copytree(day.files / "papers" / "src" / "count", project)
    identity = ("-c", "user.name=A", "-c", "user.email=a@b.c")
    run("git", "init", "--quiet", cwd=project)
    run("git", "add", "-A", cwd=project)
    run("git", *identity, "commit", "--quiet", "-m", "first", cwd=project)
    run("make", cwd=project)
    assert run(project / "count", "Makefile", cwd=project).split()[1] == "Makefile"
    run("git", "fsck", "--strict", cwd=project)
    assert "count" in run("git", "status", "--short", cwd=project)


def test_tags_are_folders_and_answers_of_the_commands(day: Day) -> None:
    (day.mount / "tags" / "money").mkdir()
    name = day.search(_REFUNDS)[0]
    run("ln", day.mount / "search" / _REFUNDS / name, day.mount / "tags" / "money" / "x.pdf")
    tagged = day.service.cli("memex", "files", "--tag", "money", "--json")
    assert name[3:] in tagged.stdout
    plain = day.service.cli("memex", "search", _REFUNDS)
    assert plain.stdout.splitlines()[0].startswith(f"1. {day.files}/papers/")


def test_what_is_in_a_file_reaches_an_agent_with_a_path_that_opens(day: Day) -> None:
    context = day.service.cli("context", "which goods may customers send back, and until when")
    assert context.returncode == 0, context.stderr
    recalled = day.service.cli("recall", "giving money back to customers", "--kind", "document", "--json")
    paths = [Path(line.split('"')[3]) for line in recalled.stdout.splitlines() if '"path"' in line]
    assert paths[0].read_bytes(), recalled.stdout
    assert paths[0].is_relative_to(day.files)
    assert paths[0].name in context.stdout, context.stdout


def test_a_branch_of_an_agent_changes_nothing_until_it_is_merged(day: Day) -> None:
    original = day.files / "plan.txt"
    original.write_text("one\n")
    made = day.service.cli("memex", "branch", "make", "a1")
    assert made.returncode == 0, made.stderr
    branch = Path(made.stdout.strip())
    (branch / "plan.txt").write_text("two\n")
    (branch / "new.txt").write_text("new\n")
    assert original.read_text() == "one\n"
    assert not (day.files / "new.txt").exists()
    changes = day.service.cli("memex", "branch", "diff", "a1")
    assert sorted(changes.stdout.splitlines()) == ["A  new.txt", "M  plan.txt"]
    merged = day.service.cli("memex", "branch", "merge", "a1")
    assert merged.returncode == 0, merged.stderr
    assert original.read_text() == "two\n"
    assert (day.files / "new.txt").read_text() == "new\n"
    (branch / "plan.txt").write_text("three\n")
    assert day.service.cli("memex", "branch", "drop", "a1").returncode == 0
    assert original.read_text() == "two\n"
    assert not branch.exists()


def test_a_folder_is_read_where_it_is(day: Day, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "aunt.txt").write_text("Dear aunt, the wedding is on the lake in August.\n")
    assert day.service.cli("memex", "add", str(tmp_path / "letters")).returncode == 0
    shown = day.files / "letters" / "aunt.txt"
    wait("the folder is shown", shown.exists)
    question = "where do they get married"
    wait("it is found", lambda: day.shown(question, "aunt.txt"))
    (tmp_path / "letters" / "uncle.txt").write_text("Dear uncle, bring the boat and the oars.\n")
    wait("a change outside is seen", lambda: day.shown("rowing equipment", "uncle.txt"))
    assert day.service.cli("memex", "remove", "letters").returncode == 0
    wait("it is shown no more", lambda: not shown.exists())
    assert (tmp_path / "letters" / "aunt.txt").exists()


def test_the_mount_goes_on_without_the_service(day: Day) -> None:
    day.service.kill()
    (day.files / "alone.txt").write_text("Written while nobody indexes: the barometer fell.\n")
    assert any(name.endswith("returns.pdf") for name in day.search("giving money back"))
    assert "words alone" in (day.mount / ".memex" / "status").read_text()
    day.service.start()
    wait("it is indexed now", lambda: day.shown("air pressure dropped", "alone.txt"))
    assert day.state()["mount"]["point"] == str(day.mount)


def test_it_is_sound_at_the_end(day: Day) -> None:
    checked = day.service.cli("memex", "fsck")
    assert checked.returncode == 0, checked.stdout
    gone = day.service.cli("umount")
    assert gone.returncode == 0, gone.stderr
    assert not day.files.exists()
    again = day.service.cli("mount", str(day.mount))
    assert again.returncode == 0, again.stderr
    assert (day.files / "plan.txt").read_text() == "two\n"
