"""Pattern and Match.

A text is run over as bytes where it is ASCII, else as a list of its codes: both give a character by its
place at once. The last text's form is kept, as programs scan one text many times.
"""

from ._parse import Parser
from ._program import Program
from ._run import run
from ._template import expand

_last = (None, None)


def _codes(text):
    global _last
    if _last[0] is text:
        return _last[1]
    if isinstance(text, str):
        made = text.encode()
        if len(made) != len(text):
            made = [ord(c) for c in text]
    else:
        made = bytes(text)
    _last = (text, made)
    return made


class Pattern:
    def __init__(self, pattern, flags):
        parser = Parser(pattern, flags)
        tree = parser.parse()
        self.pattern = pattern
        self.flags = parser.flags & ~256 if parser.bytes and not flags & 256 else parser.flags
        self.groups = parser.groups
        self.groupindex = parser.names
        self._program = Program(tree, parser.groups)
        self._code = self._program.code
        prefix = self._program.prefix
        self._prefix = bytes(prefix) if prefix is not None and max(prefix) < 128 else None
        self._bytes = parser.bytes

    def _text(self, string):
        if isinstance(string, str) == self._bytes:
            if self._bytes:
                raise TypeError("cannot use a bytes pattern on a string-like object")
            if isinstance(string, (bytes, bytearray)):
                raise TypeError("cannot use a string pattern on a bytes-like object")
            raise TypeError("expected string or bytes-like object, got '" + type(string).__name__ + "'")
        return _codes(string)

    def _try(self, s, i, end, whole=False):
        """The registers of a match at i, or None."""
        regs = [-1] * self._program.registers
        return None if run(self._code, s, i, end, regs, 0, whole) < 0 else regs

    def _find(self, s, i, end, barred=-1):
        """The registers of the first match from i on, or None. An empty one at `barred` does not count."""
        code = self._code
        count = self._program.registers
        prefix = self._prefix
        first = self._program.first
        plain = isinstance(s, bytes)
        while i <= end:
            if prefix is not None and plain:
                i = s.find(prefix, i, end)
                if i < 0:
                    return None
            elif first is not None:
                if plain:
                    while i < end and not first[s[i]]:
                        i += 1
                else:
                    while i < end and s[i] < 256 and not first[s[i]]:
                        i += 1
                if i >= end:
                    return None
            regs = [-1] * count
            if run(code, s, i, end, regs, 0, False, barred if barred == i else -1) >= 0:
                return regs
            i += 1
        return None

    def _bounds(self, s, pos, endpos):
        n = len(s)
        end = n if endpos is None else min(max(endpos, 0), n)
        return max(pos, 0), end

    def _made(self, string, regs, pos, end):
        return None if regs is None else Match(self, string, regs, pos, end)

    def match(self, string, pos=0, endpos=None):
        s = self._text(string)
        pos, end = self._bounds(s, pos, endpos)
        return self._made(string, self._try(s, pos, end) if pos <= end else None, pos, end)

    def fullmatch(self, string, pos=0, endpos=None):
        s = self._text(string)
        pos, end = self._bounds(s, pos, endpos)
        return self._made(string, self._try(s, pos, end, True) if pos <= end else None, pos, end)

    def search(self, string, pos=0, endpos=None):
        s = self._text(string)
        pos, end = self._bounds(s, pos, endpos)
        return self._made(string, self._find(s, pos, end), pos, end)

    def _all(self, s, pos, end):
        """The registers of every match. Behind an empty one, the next at its place takes something."""
        barred = -1
        while pos <= end:
            regs = self._find(s, pos, end, barred)
            if regs is None:
                return
            yield regs
            pos = regs[1]
            barred = pos if regs[0] == pos else -1

    def finditer(self, string, pos=0, endpos=None):
        s = self._text(string)
        pos, end = self._bounds(s, pos, endpos)
        for regs in self._all(s, pos, end):
            yield Match(self, string, regs, pos, end)

    def findall(self, string, pos=0, endpos=None):
        s = self._text(string)
        pos, end = self._bounds(s, pos, endpos)
        found = []
        n = self.groups
        cut = _cutter(string, s)
        for regs in self._all(s, pos, end):
            if n == 0:
                found.append(cut(regs[0], regs[1]))
            elif n == 1:
                found.append(cut(regs[2], regs[3]))
            else:
                found.append(tuple([cut(regs[2 * k], regs[2 * k + 1]) for k in range(1, n + 1)]))
        return found

    def split(self, string, maxsplit=0):
        s = self._text(string)
        cut = _cutter(string, s)
        parts = []
        at = 0
        for regs in self._all(s, 0, len(s)):
            parts.append(cut(at, regs[0]))
            for k in range(1, self.groups + 1):
                parts.append(None if regs[2 * k + 1] < 0 else cut(regs[2 * k], regs[2 * k + 1]))
            at = regs[1]
            maxsplit -= 1
            if maxsplit == 0:
                break
        parts.append(cut(at, len(s)))
        return parts

    def subn(self, repl, string, count=0):
        s = self._text(string)
        cut = _cutter(string, s)
        parts = []
        at = made = 0
        fixed = None
        if not callable(repl):
            template = expand(repl, self)
            fixed = template[0] if len(template) == 1 and not isinstance(template[0], int) else None
            if not template:
                fixed = repl[:0]
        for regs in self._all(s, 0, len(s)):
            parts.append(cut(at, regs[0]))
            if fixed is not None:
                parts.append(fixed)
            elif callable(repl):
                parts.append(repl(Match(self, string, regs, 0, len(s))))
            else:
                for piece in template:
                    if isinstance(piece, int):
                        piece = cut(regs[2 * piece], regs[2 * piece + 1])
                    parts.append(piece)
            at = regs[1]
            made += 1
            if made == count:
                break
        parts.append(cut(at, len(s)))
        return string[:0].join(parts), made

    def sub(self, repl, string, count=0):
        return self.subn(repl, string, count)[0]

    def scanner(self, string):
        raise NotImplementedError("Pattern.scanner is not in the sandbox")

    def __repr__(self):
        names = [
            ("re.IGNORECASE", 2),
            ("re.MULTILINE", 8),
            ("re.DOTALL", 16),
            ("re.VERBOSE", 64),
            ("re.ASCII", 256),
        ]
        shown = "|".join([name for name, bit in names if self.flags & bit])
        return "re.compile(" + repr(self.pattern) + (", " + shown if shown else "") + ")"

    def __eq__(self, other):
        return isinstance(other, Pattern) and (self.pattern, self.flags) == (other.pattern, other.flags)

    def __hash__(self):
        return hash((self.pattern, self.flags))


def _cutter(string, s):
    """Slices of the text by places; a group that took no part gives an empty one."""
    empty = string[:0]
    if isinstance(s, bytes):
        if isinstance(string, str):
            return lambda a, b: str(s[a:b], "utf-8") if b > a else empty
        return lambda a, b: s[a:b] if b > a else empty
    return lambda a, b: "".join([chr(c) for c in s[a:b]]) if b > a else empty


class Match:
    def __init__(self, pattern, string, regs, pos, endpos):
        self.re = pattern
        self.string = string
        self.pos = pos
        self.endpos = endpos
        self._regs = regs

    def _number(self, group):
        if isinstance(group, str):
            group = self.re.groupindex.get(group, -1)
        if not 0 <= group <= self.re.groups:
            raise IndexError("no such group")
        return group

    def _get(self, group, default=None):
        n = 2 * self._number(group)
        a, b = self._regs[n], self._regs[n + 1]
        return default if b < 0 else self.string[a:b]

    def group(self, *groups):
        if not groups:
            return self._get(0)
        if len(groups) == 1:
            return self._get(groups[0])
        return tuple([self._get(g) for g in groups])

    def __getitem__(self, group):
        return self._get(group)

    def groups(self, default=None):
        return tuple([self._get(k, default) for k in range(1, self.re.groups + 1)])

    def groupdict(self, default=None):
        return dict([(name, self._get(k, default)) for name, k in self.re.groupindex.items()])

    def span(self, group=0):
        n = 2 * self._number(group)
        return (-1, -1) if self._regs[n + 1] < 0 else (self._regs[n], self._regs[n + 1])

    def start(self, group=0):
        return self.span(group)[0]

    def end(self, group=0):
        return self.span(group)[1]

    @property
    def regs(self):
        return tuple([self.span(k) for k in range(self.re.groups + 1)])

    @property
    def lastindex(self):
        last = self._regs[2 * self.re.groups + 2]
        return None if last < 0 else last

    @property
    def lastgroup(self):
        last = self.lastindex
        for name, k in self.re.groupindex.items():
            if k == last:
                return name
        return None

    def expand(self, template):
        empty = self.string[:0]
        parts = []
        for piece in expand(template, self.re):
            parts.append(self._get(piece, empty) if isinstance(piece, int) else piece)
        return empty.join(parts)

    def __bool__(self):
        return True

    def __repr__(self):
        return "<re.Match object; span=" + repr(self.span()) + ", match=" + repr(self.group()) + ">"
