"""Differences of two values as text, for asserts that did not hold."""


def text_difference(first, second):
    import difflib

    before, after = first.splitlines(True), second.splitlines(True)
    if len(before) == 1 and first.strip("\r\n") == first:
        before, after = [first + "\n"], [second + "\n"]
    return "\n" + "".join(difflib.ndiff(before, after))


def pretty_difference(first, second):
    import difflib
    import pprint

    return "\n" + "\n".join(
        difflib.ndiff(pprint.pformat(first).splitlines(), pprint.pformat(second).splitlines())
    )


def sequence_difference(kind, first, second):
    """Where two sequences differ first, and what the longer one has more."""
    from unittest._asserts import _cut

    text = ""
    for at in range(min(len(first), len(second))):
        if first[at] != second[at]:
            left, right = _cut(first[at], second[at])
            text = f"\nFirst differing element {at}:\n{left}\n{right}\n"
            break
    more = len(first) - len(second)
    if more:
        at, which, longer = min(len(first), len(second)), "First", first
        if more < 0:
            which, longer = "Second", second
        text += f"\n{which} {kind} contains {abs(more)} additional elements.\n"
        text += f"First extra element {at}:\n{longer[at]!r}\n"
    return text


def count_difference(first, second):
    """(times in first, times in second, element) of each element whose times differ; none need be hashable."""  # noqa: E501 - one line of words
    found = []  # [element, times in first, times in second]
    for which, elements in ((1, first), (2, second)):
        for element in elements:
            for known in found:
                if known[0] == element:
                    known[which] += 1
                    break
            else:
                found.append([element, which == 1, which == 2])
    return [(int(here), int(there), element) for element, here, there in found if here != there]
