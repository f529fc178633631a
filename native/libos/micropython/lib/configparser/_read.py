"""Lines of a configuration, read into the sections of a parser."""

from configparser._errors import (
    DuplicateOptionError,
    DuplicateSectionError,
    MissingSectionHeaderError,
    ParsingError,
)


def _bare(line, parser, in_value):
    """The line without its comment, and None for a line that is only a comment."""
    for prefix in parser._inline_comments:
        at = line.find(prefix)
        while at >= 0:
            if at == 0 or line[at - 1].isspace():
                line = line[:at]
                break
            at = line.find(prefix, at + 1)
    text = line.strip()
    for prefix in parser._comments:
        if text.startswith(prefix):
            return None
    return text


def _divided(text, delimiters):
    """(name, delimiter or None, value) by the delimiter that comes first."""
    found = None
    for delimiter in delimiters:
        at = text.find(delimiter)
        if at >= 0 and (found is None or at < found[0]):
            found = at, delimiter
    if found is None:
        return text, None, None
    at, delimiter = found
    return text[:at], delimiter, text[at + len(delimiter) :]


def read(parser, lines, source):
    section = name = title = error = None
    new_sections, new_options, indent, number = set(), set(), 0, 0
    for line in lines:
        number += 1
        text = _bare(line, parser, name)
        if text is None or not text:
            if parser._empty_lines and text is not None:
                if text == "" and section is not None and name and section[name] is not None:
                    section[name].append("")
            elif not parser._empty_lines:
                indent = 1 << 30
            continue
        depth = len(line) - len(line.lstrip())
        if section is not None and name and depth > indent:
            if section[name] is None:
                (error := error or ParsingError(source)).append(number, repr(line))
            else:
                section[name].append(text)
            continue
        indent = depth
        if text[0] == "[" and text.find("]") > 1:
            title, name = text[1 : text.rindex("]")], None
            if title == parser.default_section:
                section = parser._defaults
            elif title in parser._sections:
                if parser._strict and title in new_sections:
                    raise DuplicateSectionError(title, source, number)
                section = parser._sections[title]
            else:
                section = parser._sections[title] = {}
            new_sections.add(title)
            continue
        if section is None:
            raise MissingSectionHeaderError(source, number, line)
        key, delimiter, value = _divided(text, parser._delimiters)
        name = parser.optionxform(key.rstrip())
        if not key.strip() or (delimiter is None and not parser._allow_no_value):
            (error := error or ParsingError(source)).append(number, repr(line))
            if not key.strip():
                continue
            name = None
            continue
        if parser._strict and (title, name) in new_options:
            raise DuplicateOptionError(title, name, source, number)
        new_options.add((title, name))
        section[name] = None if delimiter is None else [value.strip()]
    for title, options in [(parser.default_section, parser._defaults)] + list(parser._sections.items()):
        for name, value in options.items():
            if isinstance(value, list):
                value = "\n".join(value).rstrip()
            options[name] = parser._interpolation.before_read(parser, title, name, value)
    if error:
        raise error
