"""What Tab offers for `nexus` in three real shells, and that the files for packages are this version's."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from nexus.cli import command_tree
from nexus.cli.command_tree import Command
from nexus.cli.completion import Shell, script

ROOT = Path(__file__).resolve().parents[3]
SHARED: dict[Shell, str] = {
    "bash": "bash-completion/completions/nexus",
    "zsh": "zsh/site-functions/_nexus",
    "fish": "fish/vendor_completions.d/nexus.fish",
}
# What the completion system of zsh would do with the words; it works in a terminal only.
_ZSH_STUBS = """
compdef() { :; }
compadd() { shift; print -rl -- "$@"; }
_files() { print FILES; }
_describe() { print -rl -- "${(@)${(P)2}%%:*}"; }
"""
Offers = Callable[[Sequence[str]], list[str]]
commands = functools.cache(command_tree.commands)


def _ran(words: Sequence[str]) -> list[str]:
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [line for line in done.stdout.splitlines() if line]


def _bash(file: Path, typed: Sequence[str]) -> list[str]:
    code = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _nexus; printf "%s\\n" "${COMPREPLY[@]}"'
    return _ran(["bash", "--norc", "-c", code, str(file), *typed]) or ["FILES"]


def _zsh(file: Path, typed: Sequence[str]) -> list[str]:
    code = _ZSH_STUBS + 'source "$0"; words=("$@"); CURRENT=$#; _nexus'
    found = _ran(["zsh", "-f", "-c", code, str(file), *typed])
    return [word for word in found if word == "FILES" or word.startswith(typed[-1])]


def _fish(file: Path, typed: Sequence[str]) -> list[str]:
    code = "source $argv[1]; cd /; complete -C (string join ' ' -- $argv[2..])"
    found = [line.split("\t")[0] for line in _ran(["fish", "--no-config", "-c", code, str(file), *typed])]
    return ["FILES"] if {"bin/", "etc/"} <= set(found) else found


@pytest.fixture(scope="module", params=["bash", "zsh", "fish"])
def offers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Offers:
    shell: Shell = request.param
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed; install it with: sudo apt-get install {shell}")
    file = tmp_path_factory.mktemp("completion") / SHARED[shell].rpartition("/")[2]
    file.write_text(script(shell, commands()))
    return lambda typed: {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](file, typed)


def test_commands_are_offered_by_how_they_begin(offers: Offers) -> None:
    assert sorted(offers(["nexus", "mem"])) == ["memex", "memories"]
    assert sorted(offers(["nexus", "agents", "share", ""])) == ["follow", "key", "list", "pull", "push"]
    assert offers(["nexus", "no-command-of-ours"]) in ([], ["FILES"])


def test_all_commands_and_those_of_the_groups_are_offered(offers: Offers) -> None:
    groups: list[Command] = [c for c in commands() if c.children]
    assert len(groups) > 10
    for group in groups[::6]:  # starting a shell takes its time
        assert sorted(offers(["nexus", *group.path, ""])) == [word for word, _ in group.children]


def test_options_are_those_of_the_command_whatever_stands_before(offers: Offers) -> None:
    assert sorted(offers(["nexus", "add", "some folder", "--"])) == ["--help", "--json", "--quiet"]
    assert "--detach" in offers(["nexus", "up", "--port", "1", "--d"])


def test_an_option_of_few_values_offers_them(offers: Offers) -> None:
    assert sorted(offers(["nexus", "memories", "list", "--by", ""])) == ["regret", "time"]


def test_an_argument_is_a_file_and_what_is_behind_two_dashes_is_somebody_elses(offers: Offers) -> None:
    assert offers(["nexus", "add", ""]) == ["FILES"]
    assert offers(["nexus", "run", "--", ""]) == ["FILES"]


@pytest.mark.parametrize("shell", SHARED)
def test_the_files_for_packages_are_fresh(shell: Shell) -> None:
    file = ROOT / "share" / SHARED[shell]
    assert file.is_file(), f"{file} is missing; run: make docs"
    assert file.read_text(encoding="utf-8") == script(shell, commands()), "stale; run: make docs"
