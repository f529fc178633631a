"""Paths of ElementTree: tags, *, ., .., //, and conditions in brackets."""


def _steps(path, spaces):
    """[(kind, value)] of a path."""
    if path[:1] == "/":
        raise SyntaxError("cannot use absolute path on element")
    if path[-1:] == "/":
        path += "*"
    steps, at, size = [], 0, len(path)
    while at < size:
        c = path[at]
        if path[at : at + 2] == "//":
            steps.append(("below", None))
            at += 2
        elif c == "/":
            at += 1
        elif c == "[":
            end = at + 1
            while end < size and path[end] != "]":
                end = path.find(path[end], end + 1) + 1 if path[end] in "'\"" else end + 1
                if end == 0:
                    raise SyntaxError("invalid predicate")
            steps.append(("if", _condition(path[at + 1 : end].strip(), spaces)))
            at = end + 1
        else:
            end = at
            while end < size and path[end] not in "/[":
                end = path.find("}", end) + 1 if path[end] == "{" else end + 1
            word = path[at:end]
            if word == "..":
                steps.append(("up", None))
            elif word != ".":
                below = steps and steps[-1][0] == "below"
                steps.append(("any" if below else "tag", _full(word, spaces)))
            at = end
    if steps and steps[-1][0] == "below":
        raise SyntaxError("invalid descendant")
    return steps


def _full(name, spaces):
    if name[:1] == "{" or not spaces:
        return name
    prefix, colon, local = name.partition(":")
    if not colon:
        return f"{{{spaces['']}}}{name}" if spaces.get("") and name != "*" else name
    if prefix not in spaces:
        raise SyntaxError(f"prefix {prefix!r} not found in prefix map")
    return f"{{{spaces[prefix]}}}{local}"


def _condition(text, spaces):
    """A function (element, its place among those chosen under its parent, their count) -> bool."""
    if text == "last()" or text.isdigit() or text[:7] == "last()-":
        if text.isdigit():
            wanted = int(text) - 1
            if wanted < 0:
                raise SyntaxError("XPath position >= 1 expected")
            return lambda element, at, count: at == wanted
        back = 1 if text == "last()" else 1 + int(text[7:])
        return lambda element, at, count: at == count - back
    value, differs = None, False
    at = min([place for place in (text.find("'"), text.find('"')) if place >= 0] or [-1])
    if at >= 0:
        left, value = text[:at].rstrip(), text[at + 1 : -1]
        if left[-1:] != "=" or text[-1] != text[at]:
            raise SyntaxError("invalid predicate")
        differs = left[-2:] == "!="
        text = left[: -2 if differs else -1].rstrip()
    if text[:1] == "@":
        name = _full(text[1:], None)
        if value is None:
            return lambda element, at, count: name in element.attrib
        return lambda element, at, count: (
            name in element.attrib and (element.attrib[name] == value) != differs
        )
    if text == "." and value is not None:
        return lambda element, at, count: ("".join(element.itertext()) == value) != differs
    if not text or "(" in text:
        raise SyntaxError("unsupported XPath function" if text else "invalid predicate")
    name = _full(text, spaces)
    if value is None:
        return lambda element, at, count: any([_fits(child, name) for child in element])
    return lambda element, at, count: any(
        [_fits(child, name) and ("".join(child.itertext()) == value) != differs for child in element]
    )


def _fits(element, tag):
    own = element.tag
    if not isinstance(own, str):
        return False
    if tag == "*":
        return True
    if tag[:3] == "{*}":
        return own.split("}")[-1] == tag[3:]
    if tag[:2] == "{}":
        return own == tag[2:]
    if tag[:1] == "{" and tag[-2:] == "}*":
        return own.startswith(tag[:-1])
    return own == tag


def iterfind(root, path, namespaces=None):
    chosen, parents = [root], None
    for kind, value in _steps(path, namespaces):
        if kind in ("up", "if") and parents is None:
            parents = {id(child): parent for parent in root.iter() for child in parent}
        if kind == "tag":
            chosen = [child for element in chosen for child in element if _fits(child, value)]
        elif kind == "any":
            chosen = [
                one
                for element in chosen
                for one in element.iter()
                if one is not element and _fits(one, value)
            ]
        elif kind == "up":
            chosen = _once([parents[id(element)] for element in chosen if id(element) in parents])
        elif kind == "if":
            chosen = _those(chosen, value, parents)
    return iter(chosen)


def _once(elements):
    seen, left = set(), []
    for element in elements:
        if id(element) not in seen:
            seen.add(id(element))
            left.append(element)
    return left


def _those(chosen, holds, parents):
    groups = {}
    for element in chosen:
        key = (id(parents.get(id(element))), element.tag)
        groups.setdefault(key, []).append(element)
    kept = set()
    for group in groups.values():
        for at, element in enumerate(group):
            if holds(element, at, len(group)):
                kept.add(id(element))
    return [element for element in chosen if id(element) in kept]


def find(root, path, namespaces=None):
    return next(iterfind(root, path, namespaces), None)


def findall(root, path, namespaces=None):
    return list(iterfind(root, path, namespaces))


def findtext(root, path, default=None, namespaces=None):
    element = find(root, path, namespaces)
    return default if element is None else element.text or ""
