"""Write share/man/man1/nexus.1, the manual page of all commands, from the commands themselves.

It names the version and no date, so that it depends on the commands only.
"""

from __future__ import annotations

from scripts import generated

import nexus
from nexus.cli.command_tree import Command, Parameter, commands
from nexus.core import errors

_ABOUT = """\
.SH DESCRIPTION
NexusOS reads your documents, remembers what you tell it, and answers with its sources.
It gives the agents of this machine one memory.
Nothing leaves the machine.
.PP
.B nexus up
starts the service,
.B nexus doctor
says what is missing and how it is mended,
.B nexus completion
prints a script that completes commands and options in your shell.
Data is printed to standard output, all else to standard error.
"""
_END = """\
.SH ENVIRONMENT
.TP
.B NEXUS_HOME
Where everything is kept; else the platform's folder for a user's data.
.TP
.B NEXUS_SECTION_KEY
A setting, such as NEXUS_SERVICE_PORT.
.B nexus config show
names them all and where each value comes from.
.TP
.B NO_COLOR
No colours.
.SH FILES
.TP
.I NEXUS_HOME/config.toml
The settings.
.TP
.I NEXUS_HOME/memories/
What is remembered, a Markdown file each.
.TP
.I NEXUS_HOME/run/token
What clients must send.
"""


def page() -> str:
    """The whole page, in roff."""
    known = commands()
    root, *others = known
    options = "".join(_item(_option(option), option.help) for option in root.options)
    top = [
        f'.TH NEXUS 1 "" "NexusOS {nexus.__version__}" "User Commands"\n',
        f".SH NAME\nnexus \\- {_text(root.help).rstrip('.')}\n",
        ".SH SYNOPSIS\n.B nexus\n.RI [ OPTION ...]\n.I COMMAND\n.RI [ ARGUMENT ...]\n",
        _ABOUT,
        f".SH OPTIONS\n{options}",
        ".SH COMMANDS\n",
    ]
    return "".join([*top, *map(_command, others), _END, _exit_statuses()])


def _command(command: Command) -> str:
    words = " ".join(_argument(a) for a in command.arguments)
    usage = f"COMMAND{' ' if words else ''}{words}" if command.children else words
    lines = [f".SS nexus {' '.join(command.path)} {usage}".rstrip() + "\n", f"{_text(command.help)}\n"]
    lines += [_item(f"\\fI{_text(a.label)}\\fR", a.help) for a in command.arguments if a.help]
    own = [option for option in command.options if "--help" not in option.names]
    return "".join([*lines, *(_item(_option(option), option.help) for option in own)])


def _argument(argument: Parameter) -> str:
    text = _text(argument.label.removesuffix("...")) + ("..." if argument.repeats else "")
    return text if argument.required else f"[{text}]"


def _option(option: Parameter) -> str:
    names = ", ".join(f"\\fB{_text(name)}\\fR" for name in option.names)
    return f"{names} \\fI{_text(option.label)}\\fR" if option.label else names


def _item(what: str, said: str) -> str:
    return f".TP\n{what}\n{_text(said)}\n"


def _exit_statuses() -> str:
    found: dict[int, list[str]] = {}
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.NexusError) and "exit_status" in vars(kind):
            found.setdefault(kind.exit_status, []).append(_sentence(kind.__doc__ or ""))
    found |= {0: ["It worked."], 1: ["Any other error."]}
    items = (_item(f"\\fB{status}\\fR", " ".join(found[status])) for status in sorted(found))
    return f".SH EXIT STATUS\n{''.join(items)}"


def _sentence(docstring: str) -> str:
    return docstring.split("\n")[0].split(";")[0].rstrip(".") + "."


def _text(text: str) -> str:
    """Text that roff shows as it is: backslashes and dashes spelled out, no line a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    generated.write(__doc__ or "", page)
