"""ArgumentParser with positional and optional arguments, types, choices, nargs, actions, Namespace,
SUPPRESS.

Errors have CPython's words and exit with 2. Lacks: subcommands, groups, prefixes of options, usage text
that wraps, parents, fromfile_prefix_chars.
"""

import sys

SUPPRESS, OPTIONAL, ZERO_OR_MORE, ONE_OR_MORE, REMAINDER = "==SUPPRESS==", "?", "*", "+", "..."


class ArgumentTypeError(Exception):
    pass


class ArgumentError(Exception):
    pass


class Namespace:
    def __init__(self, **named):
        for name, value in named.items():
            setattr(self, name, value)

    def __repr__(self):
        return (
            "Namespace("
            + ", ".join([name + "=" + repr(value) for name, value in self.__dict__.items()])
            + ")"
        )

    def __eq__(self, other):
        return isinstance(other, Namespace) and self.__dict__ == other.__dict__

    def __contains__(self, name):
        return name in self.__dict__


class _Argument:
    def __init__(
        self,
        names,
        action="store",
        nargs=None,
        const=None,
        default=None,
        type=None,
        choices=None,
        required=False,
        help=None,
        metavar=None,
        dest=None,
        version=None,
    ):
        self.names, self.action, self.nargs, self.const, self.default = names, action, nargs, const, default
        self.type, self.choices, self.required, self.help, self.metavar = (
            type,
            choices,
            required,
            help,
            metavar,
        )
        self.version, self.positional = version, names[0][:1] != "-"
        if not dest:
            long = [name for name in names if name[:2] == "--"]
            dest = (long or list(names))[0].lstrip("-").replace("-", "_") if not self.positional else names[0]
        self.dest = dest
        self.flag = action in (
            "store_true",
            "store_false",
            "store_const",
            "count",
            "help",
            "version",
            "append_const",
        )
        if action in ("store_true", "store_false"):
            self.const = action == "store_true"
            if default is None:
                self.default = not self.const
        if action in ("help", "version"):
            self.dest = self.default = SUPPRESS

    def label(self):
        return "/".join(self.names) if not self.positional else self.metavar or self.dest

    def word(self):
        if self.metavar:
            return self.metavar
        if self.choices is not None:
            return "{" + ",".join([str(one) for one in self.choices]) + "}"
        return self.dest if self.positional else self.dest.upper()

    def values(self):
        word, count = self.word(), self.nargs
        if self.flag:
            return ""
        if count is None:
            return word
        if isinstance(count, int):
            return " ".join([word] * count)
        return {"?": "[%s]", "*": "[%s ...]", "+": word + " [%s ...]", "...": "..."}[count].replace(
            "%s", word
        )


class ArgumentParser:
    def __init__(self, prog=None, usage=None, description=None, epilog=None, add_help=True, **named):
        self.prog = prog or (sys.argv[0].split("/")[-1] if sys.argv else "main.py")
        self.usage, self.description, self.epilog = usage, description, epilog
        self._arguments, self._defaults = [], {}
        if add_help:
            self.add_argument("-h", "--help", action="help", help="show this help message and exit")

    def add_argument(self, *names, **named):
        one = _Argument(names or (named["dest"],), **named)
        self._arguments.append(one)
        return one

    def set_defaults(self, **named):
        self._defaults.update(named)

    def error(self, message):
        sys.stderr.write(self.format_usage() + f"{self.prog}: error: {message}\n")
        sys.exit(2)

    def exit(self, status=0, message=None):
        if message:
            sys.stderr.write(message)
        sys.exit(status)

    def _convert(self, one, text):
        try:
            value = one.type(text) if one.type else text
        except ArgumentTypeError as error:
            self.error(f"argument {one.label()}: {error}")
        except (TypeError, ValueError):
            self.error(f"argument {one.label()}: invalid {one.type.__name__} value: {text!r}")
        if one.choices is not None and value not in one.choices:
            known = ", ".join([repr(choice) for choice in one.choices])
            self.error(f"argument {one.label()}: invalid choice: {value!r} (choose from {known})")
        return value

    def _store(self, space, one, texts):
        kept = getattr(space, one.dest, None) if one.dest != SUPPRESS else None
        if one.action == "help":
            self.print_help()
            sys.exit(0)
        if one.action == "version":
            print(one.version)
            sys.exit(0)
        if one.action == "count":
            value = (kept or 0) + 1
        elif one.flag:
            value = one.const if one.action != "append_const" else list(kept or []) + [one.const]
        else:
            values = [self._convert(one, text) for text in texts]
            value = values if one.nargs not in (None, "?") else values[0] if values else one.const
            if one.action == "append":
                value = list(kept or []) + [value]
            elif one.action == "extend":
                value = list(kept or []) + value
        setattr(space, one.dest, value)

    def _is_option(self, text):
        if text[:1] != "-" or text == "-":
            return False
        try:
            float(text)
            return text.split("=")[0] in self._options
        except ValueError:
            return " " not in text or text.split("=")[0] in self._options

    def parse_args(self, args=None, namespace=None):
        space, rest = self.parse_known_args(args, namespace)
        if rest:
            self.error("unrecognized arguments: " + " ".join(rest))
        return space

    def parse_known_args(self, args=None, namespace=None):
        args = list(sys.argv[1:] if args is None else args)
        space = namespace or Namespace()
        self._options = {name: one for one in self._arguments if not one.positional for name in one.names}
        for one in self._arguments:
            if one.dest != SUPPRESS and one.default != SUPPRESS and not hasattr(space, one.dest):
                value = self._defaults.get(one.dest, one.default)
                setattr(
                    space,
                    one.dest,
                    self._convert(one, value) if isinstance(value, str) and one.type else value,
                )
        for name, value in self._defaults.items():
            if not hasattr(space, name):
                setattr(space, name, value)
        seen, words, rest, only = [], [], [], False
        while args:
            text = args.pop(0)
            if only or not self._is_option(text):
                words.append(text)
                continue
            if text == "--":
                only = True
                continue
            name, equals, value = text.partition("=")
            one, given = self._options.get(name), [value] if equals else []
            if one is None and text[1] != "-" and text[:2] in self._options:
                one = self._options[text[:2]]
                if one.flag:
                    args.insert(0, "-" + text[2:])
                else:
                    given = [text[2:]]
            if one is None:
                rest.append(text)
                continue
            seen.append(one)
            if not one.flag and not given:
                most = {None: 1, "?": 1}.get(one.nargs, one.nargs if isinstance(one.nargs, int) else 1000000)
                while args and len(given) < most and not self._is_option(args[0]):
                    given.append(args.pop(0))
                if one.nargs is None and not given:
                    self.error(f"argument {one.label()}: expected one argument")
                if one.nargs == "+" and not given:
                    self.error(f"argument {one.label()}: expected at least one argument")
                if isinstance(one.nargs, int) and len(given) < most:
                    self.error(f"argument {one.label()}: expected {most} argument" + "s" * (most != 1))
            self._store(space, one, given)
        missing = self._take_words(space, words, rest)
        missing += [one.label() for one in self._arguments if one.required and one not in seen]
        if missing:
            self.error("the following arguments are required: " + ", ".join(missing))
        return space, rest

    def _take_words(self, space, words, rest):
        places = [one for one in self._arguments if one.positional]
        least = lambda one: (
            one.nargs if isinstance(one.nargs, int) else 0 if one.nargs in ("?", "*", "...") else 1
        )
        missing = []
        for i, one in enumerate(places):
            spare = len(words) - sum([least(other) for other in places[i + 1 :]])
            count = least(one)
            if one.nargs == "?":
                count = min(1, max(0, spare))
            elif one.nargs in ("*", "+", "..."):
                count = max(count, spare)
            if len(words) < count or missing and one.nargs == "*" and one.default is None:
                missing.append(one.label())
                continue
            given, words = words[:count], words[count:]
            if given or one.nargs in ("*", "..."):
                if given or one.default is None:
                    self._store(space, one, given)
        rest += words
        return missing

    def format_usage(self):
        parts = []
        options = [one for one in self._arguments if not one.positional]
        for one in options + [one for one in self._arguments if one.positional]:
            text = one.values() if one.positional else (one.names[0] + " " + one.values()).strip()
            if one.help != SUPPRESS:
                parts.append(text if one.positional or one.required else "[" + text + "]")
        return "usage: " + (self.usage or " ".join([self.prog] + parts)) + "\n"

    def format_help(self):
        text = self.format_usage()
        if self.description:
            text += "\n" + self.description + "\n"
        for title, positional in (("positional arguments", True), ("options", False)):
            shown = [one for one in self._arguments if one.positional == positional and one.help != SUPPRESS]
            if shown:
                text += "\n" + title + ":\n"
            wide = min(24, max([len(self._head(one)) for one in self._arguments]) + 4)
            for one in shown:
                head = "  " + self._head(one)
                if not one.help:
                    text += head + "\n"
                    continue
                words = one.help.replace("%(default)s", str(one.default)).replace("%(prog)s", self.prog)
                text += (
                    head
                    + (" " * (wide - len(head)) if len(head) <= wide - 2 else "\n" + " " * wide)
                    + words
                    + "\n"
                )
        return text + ("\n" + self.epilog + "\n" if self.epilog else "")

    def _head(self, one):
        return (
            one.word()
            if one.positional
            else ", ".join([(name + " " + one.values()).strip() for name in one.names])
        )

    def print_usage(self, file=None):
        (file or sys.stdout).write(self.format_usage())

    def print_help(self, file=None):
        (file or sys.stdout).write(self.format_help())
