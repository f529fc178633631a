"""The parser: sections of options, what they inherit from the default section, and what is written of them."""  # noqa: E501 - one line of words

from configparser._errors import DuplicateSectionError, NoOptionError, NoSectionError
from configparser._interpolation import BasicInterpolation, Interpolation
from configparser._read import read

_UNSET = object()
_BOOLEANS = {
    "1": True,
    "yes": True,
    "true": True,
    "on": True,
    "0": False,
    "no": False,
    "false": False,
    "off": False,
}


class RawConfigParser:
    BOOLEAN_STATES = _BOOLEANS
    _own_interpolation = Interpolation
    _only_text = False

    def __init__(
        self,
        defaults=None,
        dict_type=dict,
        allow_no_value=False,
        *,
        delimiters=("=", ":"),
        comment_prefixes=("#", ";"),
        inline_comment_prefixes=None,
        strict=True,
        empty_lines_in_values=True,
        default_section="DEFAULT",
        interpolation=_UNSET,
        converters=None,
    ):
        self._sections, self._defaults, self.default_section = {}, {}, default_section
        self._delimiters, self._comments = tuple(delimiters), tuple(comment_prefixes or ())
        self._inline_comments = tuple(inline_comment_prefixes or ())
        self._strict, self._allow_no_value, self._empty_lines = strict, allow_no_value, empty_lines_in_values
        if interpolation is _UNSET:
            interpolation = self._own_interpolation()
        self._interpolation = Interpolation() if interpolation is None else interpolation
        self.converters = {"int": int, "float": float, "boolean": self._convert_to_boolean}
        self.converters.update(converters or {})
        if defaults:
            self.read_dict({default_section: defaults})

    def __getattr__(self, name):
        if name[:3] == "get" and name[3:] in self.converters:
            convert = self.converters[name[3:]]

            def get(section, option, *, raw=False, vars=None, fallback=_UNSET):
                return self._converted(section, option, convert, raw, vars, fallback)

            return get
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _converted(self, section, option, convert, raw, vars, fallback):
        try:
            value = self.get(section, option, raw=raw, vars=vars)
        except (NoSectionError, NoOptionError):
            if fallback is _UNSET:
                raise
            return fallback
        return convert(value)

    def _convert_to_boolean(self, value):
        if value.lower() not in self.BOOLEAN_STATES:
            raise ValueError(f"Not a boolean: {value}")
        return self.BOOLEAN_STATES[value.lower()]

    def optionxform(self, optionstr):
        return optionstr.lower()

    def defaults(self):
        return self._defaults

    def sections(self):
        return list(self._sections)

    def add_section(self, section):
        if self._only_text and not isinstance(section, str):
            raise TypeError("section names must be strings")
        if section == self.default_section:
            raise ValueError(f"Invalid section name: {section!r}")
        if section in self._sections:
            raise DuplicateSectionError(section)
        self._sections[section] = {}

    def has_section(self, section):
        return section in self._sections

    def options(self, section):
        if section not in self._sections:
            raise NoSectionError(section)
        return list(self._all(section))

    def _all(self, section, vars=None):
        """The options of a section with the defaults, in CPython's order."""
        if section not in self._sections and section != self.default_section:
            raise NoSectionError(section)
        whole = {} if section == self.default_section else self._sections[section].copy()
        for name, value in self._defaults.items():
            whole.setdefault(name, value)
        for name, value in (vars or {}).items():
            whole[self.optionxform(name)] = value if value is None else str(value)
        return whole

    def read(self, filenames, encoding=None):
        done = []
        for name in (
            [filenames] if isinstance(filenames, (str, bytes)) or hasattr(filenames, "open") else filenames
        ):
            try:
                with open(str(name)) as file:
                    read(self, file, str(name))
            except OSError:
                continue
            done.append(str(name))
        return done

    def read_file(self, f, source=None):
        read(self, f, source or getattr(f, "name", "<???>"))

    def read_string(self, string, source="<string>"):
        read(self, string.splitlines(True), source)

    def read_dict(self, dictionary, source="<dict>"):
        seen = set()
        for section, options in dictionary.items():
            section = str(section)
            if section != self.default_section and section not in self._sections:
                self.add_section(section)
            elif self._strict and section in seen:
                raise DuplicateSectionError(section, source)
            seen.add(section)
            for name, value in options.items():
                self.set(section, self.optionxform(str(name)), value if value is None else str(value))

    def get(self, section, option, *, raw=False, vars=None, fallback=_UNSET):
        try:
            found = self._all(section, vars)
        except NoSectionError:
            if fallback is _UNSET:
                raise
            return fallback
        option = self.optionxform(option)
        if option not in found:
            if fallback is _UNSET:
                raise NoOptionError(option, section)
            return fallback
        value = found[option]
        if raw or value is None:
            return value
        return self._interpolation.before_get(self, section, option, value, found)

    def items(self, section=_UNSET, raw=False, vars=None):
        if section is _UNSET:
            return [(name, self[name]) for name in self]
        whole = self._defaults.copy()
        if section != self.default_section:
            if section not in self._sections:
                raise NoSectionError(section)
            whole.update(self._sections[section])
        names = list(whole)
        whole.update({self.optionxform(name): value for name, value in (vars or {}).items()})
        if raw:
            return [(name, whole[name]) for name in names]
        get = self._interpolation.before_get
        return [
            (name, whole[name] if whole[name] is None else get(self, section, name, whole[name], whole))
            for name in names
        ]

    def popitem(self):
        for key in self._sections:
            value = self[key]
            del self[key]
            return key, value
        raise KeyError

    def has_option(self, section, option):
        if not section or section == self.default_section:
            return self.optionxform(option) in self._defaults
        if section not in self._sections:
            return False
        return self.optionxform(option) in self._all(section)

    def set(self, section, option, value=None):
        if self._only_text:
            if not isinstance(option, str):
                raise TypeError("option keys must be strings")
            if not isinstance(value, str) and (value is not None or not self._allow_no_value):
                raise TypeError("option values must be strings")
        option = self.optionxform(option)
        if value:
            value = self._interpolation.before_set(self, section, option, value)
        self._own(section)[option] = value

    def _own(self, section):
        if not section or section == self.default_section:
            return self._defaults
        if section not in self._sections:
            raise NoSectionError(section)
        return self._sections[section]

    def remove_option(self, section, option):
        return self._own(section).pop(self.optionxform(option), _UNSET) is not _UNSET

    def remove_section(self, section):
        return self._sections.pop(section, None) is not None

    def clear(self):
        self._sections.clear()

    def write(self, fp, space_around_delimiters=True):
        between = self._delimiters[0]
        if space_around_delimiters:
            between = f" {between} "
        parts = [(self.default_section, self._defaults)] if self._defaults else []
        for title, options in parts + list(self._sections.items()):
            fp.write(f"[{title}]\n")
            for name, value in options.items():
                value = self._interpolation.before_write(self, title, name, value)
                if value is not None or not self._allow_no_value:
                    value = between + str(value).replace("\n", "\n\t")
                else:
                    value = ""
                fp.write(f"{name}{value}\n")
            fp.write("\n")

    def __getitem__(self, key):
        if key != self.default_section and key not in self._sections:
            raise KeyError(key)
        return SectionProxy(self, key)

    def __setitem__(self, key, value):
        if key in self and self[key] is value:
            return
        if key == self.default_section:
            self._defaults.clear()
        elif key in self._sections:
            self._sections[key].clear()
        self.read_dict({key: value})

    def __delitem__(self, key):
        if key == self.default_section:
            raise ValueError("Cannot remove the default section.")
        if key not in self._sections:
            raise KeyError(key)
        del self._sections[key]

    def __contains__(self, key):
        return key == self.default_section or key in self._sections

    def __len__(self):
        return len(self._sections) + 1

    def __iter__(self):
        return iter([self.default_section, *self._sections])

    keys = __iter__

    def values(self):
        return [self[name] for name in self]


class ConfigParser(RawConfigParser):
    _own_interpolation = BasicInterpolation
    _only_text = True


class SectionProxy:
    """One section, as a dict of its options and of the defaults."""

    def __init__(self, parser, name):
        self._parser, self._name = parser, name

    @property
    def parser(self):
        return self._parser

    @property
    def name(self):
        return self._name

    def __repr__(self):
        return f"<Section: {self._name}>"

    def __getitem__(self, key):
        if not self._parser.has_option(self._name, key):
            raise KeyError(key)
        return self._parser.get(self._name, key)

    def __setitem__(self, key, value):
        self._parser.set(self._name, key, value)

    def __delitem__(self, key):
        if not (self._parser.has_option(self._name, key) and self._parser.remove_option(self._name, key)):
            raise KeyError(key)

    def __contains__(self, key):
        return self._parser.has_option(self._name, key)

    def __len__(self):
        return len(self.keys())

    def __iter__(self):
        return iter(self.keys())

    def __eq__(self, other):
        return dict(self.items()) == (dict(other.items()) if hasattr(other, "items") else other)

    def keys(self):
        return list(self._parser._all(self._name))

    def values(self):
        return [self[key] for key in self.keys()]

    def items(self):
        return [(key, self[key]) for key in self.keys()]

    def setdefault(self, key, default=None):
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, other=(), **named):
        for key, value in [*dict(other).items(), *named.items()]:
            self[key] = value

    def pop(self, key, default=_UNSET):
        if key not in self:
            if default is _UNSET:
                raise KeyError(key)
            return default
        value = self[key]
        del self[key]
        return value

    def get(self, option, fallback=None, *, raw=False, vars=None, **named):
        return self._parser.get(self._name, option, raw=raw, vars=vars, fallback=fallback)

    def __getattr__(self, name):
        if name[:3] == "get" and name[3:] in self._parser.converters:
            call = getattr(self._parser, name)

            def get(option, fallback=None, **named):
                return call(self._name, option, fallback=fallback, **named)

            return get
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
