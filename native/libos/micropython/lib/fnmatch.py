"""fnmatch: names against patterns of * ? [abc] [!a-z].

Lacks: translate() to a regular expression of CPython's own form.
"""


def _set(pattern, at):
    """(set as (negated, [(low, high)]), place behind it), or None where "[" is only a letter."""
    end = at + 1
    if pattern[end : end + 1] == "!":
        end += 1
    if pattern[end : end + 1] == "]":
        end += 1
    end = pattern.find("]", end)
    if end < 0:
        return None
    body = pattern[at + 1 : end]
    negated = body[0] == "!"
    if negated:
        body = body[1:]
    spans, i = [], 0
    while i < len(body):
        if i + 2 < len(body) and body[i + 1] == "-":
            spans.append((body[i], body[i + 2]))
            i += 3
        else:
            spans.append((body[i], body[i]))
            i += 1
    return (negated, spans), end + 1


def _compiled(pattern):
    """None for "*", "" for "?", a letter, or a set."""
    items, at = [], 0
    while at < len(pattern):
        letter = pattern[at]
        at += 1
        if letter == "*":
            if not items or items[-1] is not None:
                items.append(None)
        elif letter == "?":
            items.append("")
        elif letter == "[":
            found = _set(pattern, at - 1)
            if found is None:
                items.append("[")
            else:
                items.append(found[0])
                at = found[1]
        else:
            items.append(letter)
    return items


def _matches(name, items):
    at = i = 0
    star = back = -1
    while at < len(name):
        item = items[i] if i < len(items) else False
        if item is None:
            star, back = i, at
            i += 1
            continue
        letter = name[at]
        if item is not False and (
            item == "" or item == letter
            if isinstance(item, str)
            else any(low <= letter <= high for low, high in item[1]) != item[0]
        ):
            at += 1
            i += 1
        elif star >= 0:
            back += 1
            at, i = back, star + 1
        else:
            return False
    return all(item is None for item in items[i:])


def fnmatchcase(name, pat):
    if isinstance(name, bytes):
        name, pat = name.decode(), pat.decode()
    return _matches(name, _compiled(pat))


fnmatch = fnmatchcase


def filter(names, pat):
    items = _compiled(pat.decode() if isinstance(pat, bytes) else pat)
    return [name for name in names if _matches(name.decode() if isinstance(name, bytes) else name, items)]
