"""`nexus completion SHELL`: a script that completes `nexus` in bash, zsh or fish.

The script holds every command and option as words, so a press of Tab starts no Python, which takes half a
second. `share/` has the three of this version, for packages; `make docs` writes them again. Where neither a
command nor an option fits, the shell completes files, as it does anyway.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from nexus.cli import output
from nexus.cli.command_tree import Command

_BASH = """\
# Completes nexus in bash. Written by `nexus completion bash`.
_nexus() {
    local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local place=nexus words="" options="" at
    COMPREPLY=()
    for ((at = 1; at < COMP_CWORD; at++)); do
        [ "${COMP_WORDS[at]}" != -- ] || return 0
        case "$place ${COMP_WORDS[at]}" in
@PLACES@            place="$place ${COMP_WORDS[at]}" ;;
        esac
    done
    case "$place $before" in
@VALUES@    esac
    case "$place" in
@WORDS@    esac
    case $cur in -*) words=$options ;; esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -o bashdefault -F _nexus nexus
"""
_ZSH = """\
#compdef nexus
# Completes nexus in zsh. Written by `nexus completion zsh`.
_nexus() {
    local place=nexus word
    local -a commands options
    for word in ${words[2,CURRENT-1]}; do
        if [[ $word == -- ]]; then
            _files
            return
        fi
        case "$place $word" in
@PLACES@            place="$place $word" ;;
        esac
    done
    case "$place ${words[CURRENT-1]}" in
@VALUES@    esac
    case "$place" in
@WORDS@    esac
    if [[ ${words[CURRENT]} == -* ]]; then
        _describe option options
    elif (( $#commands )); then
        _describe command commands
    else
        _files
    fi
}
# Read by the completion system as a file of its own, or by the user's settings.
if [[ $funcstack[1] == _nexus ]]; then
    _nexus "$@"
else
    compdef _nexus nexus
fi
"""
_FISH = """\
# Completes nexus in fish. Written by `nexus completion fish`.
function __nexus_words
    set -l words (commandline -opc)
    string match -v -- '-*' $words[2..-1]
    or true
end
# A group where a command of it comes next.
function __nexus_at
    not contains -- -- (commandline -opc)
    and set -l words (__nexus_words)
    and test "=$words" = "=$argv"
end
# A command, whatever was given to it already.
function __nexus_in
    not contains -- -- (commandline -opc)
    and set -l words (__nexus_words)
    and string match -q -- "$argv *" "$words "
end
"""

Shell = Literal["bash", "zsh", "fish"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(completion)


def completion(shell: Annotated[Shell, typer.Argument(help="The shell: bash, zsh or fish.")]) -> None:
    """Print a script that completes commands and options in your shell."""
    from nexus.cli.command_tree import commands

    output.data(script(shell, commands()).rstrip("\n"))


def script(shell: Shell, commands: Sequence[Command]) -> str:
    """The whole script. `commands` are all of them, each group before its members."""
    if shell == "fish":
        return _FISH + "".join(_fish(command) for command in commands)
    template, words = (_BASH, _bash_words) if shell == "bash" else (_ZSH, _zsh_words)
    places = " | \\\n".join(f'        "{_place(command)}"' for command in commands if command.path)
    return (
        template.replace("@PLACES@", f"{places})\n")
        .replace("@VALUES@", "".join(_values(shell, command) for command in commands))
        .replace("@WORDS@", "".join(f'    "{_place(c)}")\n{words(c)}        ;;\n' for c in commands))
    )


def _place(command: Command) -> str:
    return " ".join(("nexus", *command.path))


def _values(shell: Shell, command: Command) -> str:
    """What comes behind an option that takes a value: its choices, else a file."""
    cases = []
    for option in command.options:
        if option.label:
            names = " | ".join(f'"{_place(command)} {name}"' for name in option.names)
            cases.append(f"    {names})\n{_offer(shell, option.choices)}        return ;;\n")
    return "".join(cases)


def _offer(shell: Shell, choices: Sequence[str]) -> str:
    words = " ".join(choices)
    if shell == "zsh":
        return f"        compadd -- {words}\n" if choices else "        _files\n"
    return f'        COMPREPLY=($(compgen -W "{words}" -- "$cur"))\n' if choices else ""


def _bash_words(command: Command) -> str:
    words = " ".join(word for word, _ in command.children)
    options = " ".join(name for option in command.options for name in option.names)
    return (f'        words="{words}"\n' if words else "") + f'        options="{options}"\n'


def _zsh_words(command: Command) -> str:
    options = [(name, option.help) for option in command.options for name in option.names]
    return _zsh_list("commands", command.children) + _zsh_list("options", options)


def _zsh_list(name: str, words: Sequence[tuple[str, str]]) -> str:
    lines = "".join(f"            {shlex.quote(f'{word}:{said}')}\n" for word, said in words)
    return f"        {name}=(\n{lines}        )\n" if words else ""


def _fish(command: Command) -> str:
    function = "__nexus_at" if command.children else "__nexus_in"
    begin = f"complete -c nexus -n '{' '.join((function, *command.path))}'"
    lines = [f"{begin} -f -a {word} -d {_fish_quoted(said)}" for word, said in command.children]
    for option in command.options:
        names = (f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
        value = ""
        if option.label:
            value = f" -x -a {_fish_quoted(' '.join(option.choices))}" if option.choices else " -r"
        lines.append(f"{begin} {' '.join(names)}{value} -d {_fish_quoted(option.help)}")
    return "".join(f"{line}\n" for line in lines)


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
