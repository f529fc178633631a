"""SequenceMatcher, Differ, ndiff, restore, unified_diff, context_diff, get_close_matches, diff_bytes.

Answers are CPython 3.11's, junk and popular elements included. Lacks: HtmlDiff.
"""

from collections import namedtuple

Match = namedtuple("Match", "a b size")


def _share(matches, length):
    return 2.0 * matches / length if length else 1.0


class SequenceMatcher:
    """Compares two sequences of hashable elements by their longest common stretches."""

    def __init__(self, isjunk=None, a="", b="", autojunk=True):
        self.isjunk, self.autojunk, self.a, self.b = isjunk, autojunk, None, None
        self.set_seqs(a, b)

    def set_seqs(self, a, b):
        self.set_seq1(a)
        self.set_seq2(b)

    def set_seq1(self, a):
        if a is self.a:
            return
        self.a, self._a = a, list(a)
        self.matching_blocks = self.opcodes = None

    def set_seq2(self, b):
        if b is self.b:
            return
        self.b, self._b = b, list(b)
        self.matching_blocks = self.opcodes = self.fullbcount = None
        self._index()

    def _index(self):
        places = {}
        for at, element in enumerate(self._b):
            if element in places:
                places[element].append(at)
            else:
                places[element] = [at]
        self.b2j, self.bjunk, self.bpopular = places, set(), set()
        if self.isjunk:
            self.bjunk = {element for element in places if self.isjunk(element)}
            for element in self.bjunk:
                del places[element]
        size = len(self._b)
        if self.autojunk and size >= 200:
            often = size // 100 + 1
            self.bpopular = {element for element, found in places.items() if len(found) > often}
            for element in self.bpopular:
                del places[element]

    def find_longest_match(self, alo=0, ahi=None, blo=0, bhi=None):
        a, b, places, junk = self._a, self._b, self.b2j, self.bjunk
        ahi = len(a) if ahi is None else ahi
        bhi = len(b) if bhi is None else bhi
        best_a, best_b, size, ends, none = alo, blo, 0, {}, ()
        for i in range(alo, ahi):
            now = {}
            for j in places.get(a[i], none):
                if j < blo:
                    continue
                if j >= bhi:
                    break
                run = now[j] = ends.get(j - 1, 0) + 1
                if run > size:
                    best_a, best_b, size = i - run + 1, j - run + 1, run
            ends = now
        for wanted in (False, True):  # first what is no junk joins at both ends, then the junk
            while best_a > alo and best_b > blo and a[best_a - 1] == b[best_b - 1]:
                if (b[best_b - 1] in junk) != wanted:
                    break
                best_a, best_b, size = best_a - 1, best_b - 1, size + 1
            while best_a + size < ahi and best_b + size < bhi and a[best_a + size] == b[best_b + size]:
                if (b[best_b + size] in junk) != wanted:
                    break
                size += 1
        return Match(best_a, best_b, size)

    def get_matching_blocks(self):
        if self.matching_blocks is not None:
            return self.matching_blocks
        todo, found = [(0, len(self._a), 0, len(self._b))], []
        while todo:
            alo, ahi, blo, bhi = todo.pop()
            i, j, size = match = self.find_longest_match(alo, ahi, blo, bhi)
            if size:
                found.append(tuple(match))
                if alo < i and blo < j:
                    todo.append((alo, i, blo, j))
                if i + size < ahi and j + size < bhi:
                    todo.append((i + size, ahi, j + size, bhi))
        found.sort()
        blocks = []
        for i, j, size in found:
            if blocks and blocks[-1][0] + blocks[-1][2] == i and blocks[-1][1] + blocks[-1][2] == j:
                blocks[-1][2] += size
            else:
                blocks.append([i, j, size])
        blocks.append((len(self._a), len(self._b), 0))
        self.matching_blocks = [Match(i, j, size) for i, j, size in blocks]
        return self.matching_blocks

    def get_opcodes(self):
        if self.opcodes is None:
            i = j = 0
            self.opcodes = answer = []
            for a, b, size in self.get_matching_blocks():
                if i < a or j < b:
                    answer.append(("insert" if i == a else "delete" if j == b else "replace", i, a, j, b))
                i, j = a + size, b + size
                if size:
                    answer.append(("equal", a, i, b, j))
        return self.opcodes

    def get_grouped_opcodes(self, n=3):
        codes = self.get_opcodes()[:] or [("equal", 0, 1, 0, 1)]
        if codes[0][0] == "equal":
            tag, i1, i2, j1, j2 = codes[0]
            codes[0] = tag, max(i1, i2 - n), i2, max(j1, j2 - n), j2
        if codes[-1][0] == "equal":
            tag, i1, i2, j1, j2 = codes[-1]
            codes[-1] = tag, i1, min(i2, i1 + n), j1, min(j2, j1 + n)
        group = []
        for tag, i1, i2, j1, j2 in codes:
            if tag == "equal" and i2 - i1 > n + n:
                group.append((tag, i1, min(i2, i1 + n), j1, min(j2, j1 + n)))
                yield group
                group = []
                i1, j1 = max(i1, i2 - n), max(j1, j2 - n)
            group.append((tag, i1, i2, j1, j2))
        if group and not (len(group) == 1 and group[0][0] == "equal"):
            yield group

    def ratio(self):
        return _share(sum([block[2] for block in self.get_matching_blocks()]), len(self._a) + len(self._b))

    def quick_ratio(self):
        if self.fullbcount is None:
            self.fullbcount = counts = {}
            for element in self._b:
                counts[element] = counts.get(element, 0) + 1
        left, matches = self.fullbcount.copy(), 0
        for element in self._a:
            count = left.get(element, 0)
            left[element] = count - 1
            matches += count > 0
        return _share(matches, len(self._a) + len(self._b))

    def real_quick_ratio(self):
        return _share(min(len(self._a), len(self._b)), len(self._a) + len(self._b))


def get_close_matches(word, possibilities, n=3, cutoff=0.6):
    if not n > 0:
        raise ValueError(f"n must be > 0: {n!r}")
    if not 0.0 <= cutoff <= 1.0:
        raise ValueError(f"cutoff must be in [0.0, 1.0]: {cutoff!r}")
    found, matcher = [], SequenceMatcher()
    matcher.set_seq2(word)
    for one in possibilities:
        matcher.set_seq1(one)
        if matcher.real_quick_ratio() >= cutoff and matcher.quick_ratio() >= cutoff:
            ratio = matcher.ratio()
            if ratio >= cutoff:
                found.append((ratio, one))
    found.sort(reverse=True)
    return [one for _, one in found[:n]]


def IS_LINE_JUNK(line, pat=None):
    return line.strip() in ("", "#")


def IS_CHARACTER_JUNK(ch, ws=" \t"):
    return ch in ws


def _marked(mark, lines, start, end):
    for at in range(start, end):
        yield mark + " " + lines[at]


def _hints(line, marks):
    text = "".join([c if mark == " " and c.isspace() else mark for c, mark in zip(line, marks)]).rstrip()
    if text:
        yield "? " + text + "\n"


class Differ:
    """Lines of two texts, marked with what to do: "- ", "+ ", "  ", and "? " to show where a line changed."""

    def __init__(self, linejunk=None, charjunk=None):
        self.linejunk, self.charjunk = linejunk, charjunk

    def compare(self, a, b):
        for tag, i1, i2, j1, j2 in SequenceMatcher(self.linejunk, a, b).get_opcodes():
            if tag == "equal":
                yield from _marked(" ", a, i1, i2)
            else:
                yield from self._changed(a, i1, i2, b, j1, j2)

    def _changed(self, a, i1, i2, b, j1, j2):
        if i1 < i2 and j1 < j2:
            yield from self._replaced(a, i1, i2, b, j1, j2)
        else:
            yield from _marked("-", a, i1, i2)
            yield from _marked("+", b, j1, j2)

    def _replaced(self, a, i1, i2, b, j1, j2):
        best, pair, same = 0.74, None, None
        matcher = SequenceMatcher(self.charjunk)
        for j in range(j1, j2):
            matcher.set_seq2(b[j])
            for i in range(i1, i2):
                if a[i] == b[j]:
                    same = same or (i, j)
                    continue
                matcher.set_seq1(a[i])
                if (
                    matcher.real_quick_ratio() > best
                    and matcher.quick_ratio() > best
                    and matcher.ratio() > best
                ):
                    best, pair = matcher.ratio(), (i, j)
        alike = best >= 0.75
        if not alike and same is None:
            removed, added = _marked("-", a, i1, i2), _marked("+", b, j1, j2)
            for part in (added, removed) if j2 - j1 < i2 - i1 else (removed, added):
                yield from part
            return
        i, j = pair if alike else same
        yield from self._changed(a, i1, i, b, j1, j)
        if alike:
            yield from self._hinted(matcher, a[i], b[j])
        else:
            yield "  " + a[i]
        yield from self._changed(a, i + 1, i2, b, j + 1, j2)

    def _hinted(self, matcher, before, after):
        matcher.set_seqs(before, after)
        above = below = ""
        for tag, i1, i2, j1, j2 in matcher.get_opcodes():
            mark = {"replace": "^", "equal": " "}.get(tag)
            above += (mark or "-") * (i2 - i1)
            below += (mark or "+") * (j2 - j1)
        yield "- " + before
        yield from _hints(before, above)
        yield "+ " + after
        yield from _hints(after, below)


def ndiff(a, b, linejunk=None, charjunk=IS_CHARACTER_JUNK):
    return Differ(linejunk, charjunk).compare(a, b)


def restore(delta, which):
    if which not in (1, 2):
        raise ValueError(f"unknown delta choice (must be 1 or 2): {which!r}")
    kept = ("  ", "- " if which == 1 else "+ ")
    for line in delta:
        if line[:2] in kept:
            yield line[2:]


def _check(a, b, *texts):
    for lines in (a, b):
        if lines and not isinstance(lines[0], str):
            raise TypeError(f"lines to compare must be str, not {type(lines[0]).__name__} ({lines[0]!r})")
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"all arguments must be str, not: {text!r}")


def _header(mark, name, date, lineterm):
    return mark + " " + name + ("\t" + date if date else "") + lineterm


def unified_diff(a, b, fromfile="", tofile="", fromfiledate="", tofiledate="", n=3, lineterm="\n"):
    _check(a, b, fromfile, tofile, fromfiledate, tofiledate, lineterm)

    def place(start, end):
        size = end - start
        return f"{start + 1}" if size == 1 else f"{start + (size > 0)},{size}"

    first = True
    for group in SequenceMatcher(None, a, b).get_grouped_opcodes(n):
        if first:
            first = False
            yield _header("---", fromfile, fromfiledate, lineterm)
            yield _header("+++", tofile, tofiledate, lineterm)
        yield f"@@ -{place(group[0][1], group[-1][2])} +{place(group[0][3], group[-1][4])} @@{lineterm}"
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                for line in a[i1:i2]:
                    yield " " + line
                continue
            for line in a[i1:i2]:
                yield "-" + line
            for line in b[j1:j2]:
                yield "+" + line


def context_diff(a, b, fromfile="", tofile="", fromfiledate="", tofiledate="", n=3, lineterm="\n"):
    _check(a, b, fromfile, tofile, fromfiledate, tofiledate, lineterm)

    def place(start, end):
        size = end - start
        return f"{start + (size > 0)}" if size <= 1 else f"{start + 1},{end}"

    marks = {"insert": "+ ", "delete": "- ", "replace": "! ", "equal": "  "}
    first = True
    for group in SequenceMatcher(None, a, b).get_grouped_opcodes(n):
        if first:
            first = False
            yield _header("***", fromfile, fromfiledate, lineterm)
            yield _header("---", tofile, tofiledate, lineterm)
        yield "***************" + lineterm
        yield f"*** {place(group[0][1], group[-1][2])} ****{lineterm}"
        tags = [code[0] for code in group]
        if "replace" in tags or "delete" in tags:
            for tag, i1, i2, _, _ in group:
                if tag != "insert":
                    for line in a[i1:i2]:
                        yield marks[tag] + line
        yield f"--- {place(group[0][3], group[-1][4])} ----{lineterm}"
        if "replace" in tags or "insert" in tags:
            for tag, _, _, j1, j2 in group:
                if tag != "delete":
                    for line in b[j1:j2]:
                        yield marks[tag] + line


def diff_bytes(dfunc, a, b, fromfile=b"", tofile=b"", fromfiledate=b"", tofiledate=b"", n=3, lineterm=b"\n"):
    def text(value):
        return "".join([chr(c) for c in value])

    words = [text(value) for value in (fromfile, tofile, fromfiledate, tofiledate)]
    for line in dfunc([text(line) for line in a], [text(line) for line in b], *words, n, text(lineterm)):
        yield bytes([ord(c) for c in line])
