"""What stands behind a parenthesis in a pattern of re; gives its tree, or None for a comment."""

from . import _parse


def _width(tree):
    """How many characters a tree takes, or None where that may differ."""
    kind = tree[0]
    if kind in ("char", "set"):
        return 1
    if kind in ("at", "look"):
        return 0
    if kind == "cat":
        total = 0
        for part in tree[1]:
            width = _width(part)
            if width is None:
                return None
            total += width
        return total
    if kind == "alt":
        widths = [_width(part) for part in tree[1]]
        for width in widths:
            if width != widths[0]:
                return None
        return widths[0]
    if kind == "group":
        return _width(tree[2])
    if kind == "atomic":
        return _width(tree[1])
    if kind == "rep":
        width = _width(tree[1])
        return None if width is None or tree[2] != tree[3] else width * tree[2]
    if kind == "cond":
        yes, no = _width(tree[2]), _width(tree[3])
        return yes if yes == no else None
    return None


def _closed(parser, flags, start):
    tree = parser.alternatives(flags)
    if not parser.take(")"):
        parser.fail("missing ), unterminated subpattern", start)
    return tree


def _name(parser, end):
    name, at = parser.until(end, "group name")
    if name[0] in "0123456789" or not all(
        [c == "_" or c.isalpha() or c.isdigit() or c > "\x7f" for c in name]
    ):
        parser.fail("bad character in group name " + repr(name), at)
    return name, at


def parse_group(parser, flags, start):
    if not parser.take("?"):
        return _capture(parser, flags, start, None)
    if parser.take("P<"):
        name, at = _name(parser, ">")
        if name in parser.names:
            parser.fail(
                "redefinition of group name %r as group %d; was group %d"
                % (name, parser.groups + 1, parser.names[name]),
                at,
            )
        return _capture(parser, flags, start, name)
    if parser.take("P="):
        name, at = _name(parser, ")")
        if name not in parser.names:
            parser.fail("unknown group name " + repr(name), at)
        if parser.names[name] in parser.open:
            parser.fail("cannot refer to an open group", at)
        return ("ref", parser.names[name], bool(flags & _parse.IGNORECASE))
    if parser.take(":"):
        return ("cat", [_closed(parser, flags, start)])
    if parser.take(">"):
        return ("atomic", _closed(parser, flags, start))
    if parser.take("#"):
        while parser.peek() != ")":
            if not parser.peek():
                parser.fail("missing ), unterminated comment", start)
            parser.at += 1
        parser.at += 1
        return None
    if parser.take("="):
        return ("look", None, True, _closed(parser, flags, start))
    if parser.take("!"):
        return ("look", None, False, _closed(parser, flags, start))
    behind = parser.take("<=")
    if behind or parser.take("<!"):
        tree = _closed(parser, flags, start)
        width = _width(tree)
        if width is None:
            raise _parse.error("look-behind requires fixed-width pattern")
        return ("look", width, behind, tree)
    if parser.take("("):
        return _conditional(parser, flags, start)
    return _flags(parser, flags, start)


def _capture(parser, flags, start, name):
    parser.groups += 1
    number = parser.groups
    if name is not None:
        parser.names[name] = number
    parser.open.append(number)
    tree = _closed(parser, flags, start)
    parser.open.remove(number)
    return ("group", number, tree)


def _conditional(parser, flags, start):
    name, at = parser.until(")", "group name")
    if name in parser.names:
        number = parser.names[name]
    elif name.isdigit():
        number = int(name)
    else:
        parser.fail("unknown group name " + repr(name), at)
    tree = _closed(parser, flags, start)
    no = ("cat", [])
    if tree[0] == "alt":
        if len(tree[1]) > 2:
            parser.fail("conditional backref with more than two branches")
        tree, no = tree[1]
    return ("cond", number, tree, no)


def _flags(parser, flags, start):
    on = off = 0
    minus = False
    while True:
        c = parser.peek()
        if c and c in _parse._LETTERS:
            if minus:
                off |= _parse._LETTERS[c]
            else:
                on |= _parse._LETTERS[c]
        elif c == "-" and not minus:
            minus = True
        elif c == ":":
            parser.at += 1
            return ("cat", [_closed(parser, (flags | on) & ~off, start)])
        elif c == ")" and on and not minus:
            parser.fail("global flags not at the start of the expression", start)
        else:
            parser.fail("unknown extension ?" + c, start + 1)
        parser.at += 1
