"""References in values to other values: %(name)s, or ${name} and ${section:name}."""

from configparser._errors import (
    InterpolationDepthError,
    InterpolationMissingOptionError,
    InterpolationSyntaxError,
    NoOptionError,
    NoSectionError,
)


class Interpolation:
    """Leaves values as they are."""

    def before_get(self, parser, section, option, value, defaults):
        return value

    def before_set(self, parser, section, option, value):
        return value

    before_read = before_write = before_set


class _Marked(Interpolation):
    def before_get(self, parser, section, option, value, defaults):
        parts = []
        self._add(parts, parser, section, option, value, defaults, 1)
        return "".join(parts)

    def before_set(self, parser, section, option, value):
        mark = self._mark
        rest = value.replace(mark + mark, "")
        at = rest.find(mark)
        while at >= 0:
            end = rest.find(self._close, at)
            if rest[at + 1 : at + 2] != self._open or end < at + 3:
                raise ValueError(f"invalid interpolation syntax in {value!r} at position {rest.find(mark)}")
            rest = rest[:at] + rest[end + len(self._close) :]
            at = rest.find(mark)
        return value

    def _add(self, parts, parser, section, option, rest, defaults, depth):
        raw = parser.get(section, option, raw=True, fallback=rest)
        if depth > 10:
            raise InterpolationDepthError(option, section, raw)
        mark, close = self._mark, self._close
        while rest:
            at = rest.find(mark)
            if at < 0:
                parts.append(rest)
                return
            parts.append(rest[:at])
            rest = rest[at:]
            following = rest[1:2]
            if following == mark:
                parts.append(mark)
                rest = rest[2:]
                continue
            if following != self._open:
                raise InterpolationSyntaxError(
                    option,
                    section,
                    f"'{mark}' must be followed by '{mark}' or '{self._open}', found: {rest!r}",
                )
            end = rest.find(close)
            if end < 3:
                raise InterpolationSyntaxError(
                    option, section, f"bad interpolation variable reference {rest!r}"
                )
            name, rest = rest[2:end], rest[end + len(close) :]
            where, what, value, defaults_there = self._look_up(parser, section, option, name, raw, defaults)
            if mark in value:
                self._add(parts, parser, where, what, value, defaults_there, depth + 1)
            else:
                parts.append(value)


class BasicInterpolation(_Marked):
    _mark, _open, _close = "%", "(", ")s"

    def _look_up(self, parser, section, option, name, raw, defaults):
        name = parser.optionxform(name)
        if name not in defaults:
            raise InterpolationMissingOptionError(option, section, raw, name)
        return section, option, defaults[name], defaults


class ExtendedInterpolation(_Marked):
    _mark, _open, _close = "$", "{", "}"

    def _look_up(self, parser, section, option, name, raw, defaults):
        path = name.split(":")
        if len(path) > 2:
            raise InterpolationSyntaxError(option, section, f"More than one ':' found: {raw!r}")
        try:
            if len(path) == 1:
                what = parser.optionxform(path[0])
                return section, what, defaults[what], defaults
            where, what = path[0], parser.optionxform(path[1])
            return where, what, parser.get(where, what, raw=True), dict(parser.items(where, raw=True))
        except (KeyError, NoSectionError, NoOptionError):
            raise InterpolationMissingOptionError(option, section, raw, name)
