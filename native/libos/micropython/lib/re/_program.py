"""Trees of re as programs: a list of (operation, ...) tuples for _run.py."""

CHAR, SET, STRING, SPLIT, PREFER, JUMP, SAVE, SPAN, LAZY, MATCH = range(10)
AT, REF, LOOK, ATOMIC, COND, MARK, MOVED, GRAB, CLOSE = range(10, 19)


class Program:
    def __init__(self, tree, groups):
        self.code = []
        self.last = 2 * (groups + 1)  # the register that holds the group closed last
        self.registers = self.last + 1
        self.emit(tree)
        self.code.append((MATCH,))
        self.prefix, self.first = _start(tree)

    def emit(self, tree):
        getattr(self, "_" + tree[0])(tree)

    def _char(self, tree):
        self.code.append((CHAR, tree[1]))

    def _set(self, tree):
        self.code.append((SET, tree[1].table, tree[1]))

    def _cat(self, tree):
        letters = []
        for part in _flat(tree):
            if part[0] == "char":
                letters.append(part[1])
                continue
            self._letters(letters)
            letters = []
            self.emit(part)
        self._letters(letters)

    def _letters(self, letters):
        if len(letters) < 3:
            for c in letters:
                self.code.append((CHAR, c))
            return
        small = bytes(letters) if max(letters) < 128 else None
        self.code.append((STRING, len(letters), small, letters))

    def _alt(self, tree):
        code = self.code
        ends = []
        branches = tree[1]
        for i in range(len(branches) - 1):
            split = len(code)
            code.append(None)
            self.emit(branches[i])
            ends.append(len(code))
            code.append(None)
            code[split] = (SPLIT, len(code))
        self.emit(branches[-1])
        for end in ends:
            code[end] = (JUMP, len(code))

    def _group(self, tree):
        self.code.append((SAVE, 2 * tree[1]))
        self.emit(tree[2])
        self.code.append((CLOSE, 2 * tree[1] + 1, self.last))

    def _ref(self, tree):
        self.code.append((REF, 2 * tree[1], tree[2]))

    def _at(self, tree):
        self.code.append((AT, tree[1]))

    def _apart(self, tree):
        """A part run for itself, behind a jump; gives where it begins."""
        jump = len(self.code)
        self.code.append(None)
        self.emit(tree)
        self.code.append((MATCH,))
        self.code[jump] = (JUMP, len(self.code))
        return jump + 1

    def _look(self, tree):
        start = self._apart(tree[3])
        self.code.append((LOOK, start, tree[1], tree[2]))

    def _atomic(self, tree):
        start = self._apart(tree[1])
        self.code.append((ATOMIC, start))

    def _cond(self, tree):
        code = self.code
        test = len(code)
        code.append(None)
        self.emit(tree[2])
        end = len(code)
        code.append(None)
        code[test] = (COND, 2 * tree[1] + 1, len(code))
        self.emit(tree[3])
        code[end] = (JUMP, len(code))

    def _rep(self, tree):
        _, body, low, high, kind = tree
        body = _unwrapped(body)
        if kind == "possessive" and body[0] not in ("char", "set"):
            self._atomic(("atomic", ("rep", body, low, high, "greedy")))
            return
        if body[0] in ("char", "set"):
            op = {"greedy": SPAN, "lazy": LAZY, "possessive": GRAB}[kind]
            if body[0] == "char":
                self.code.append((op, None, body[1], low, high))
            else:
                self.code.append((op, body[1].table, body[1], low, high))
            return
        for _ in range(low):
            self.emit(body)
        if high is None:
            self._loop(body, kind)
        else:
            self._optional(body, high - low, kind)

    def _loop(self, body, kind):
        code = self.code
        careful = _may_be_empty(body)
        start = len(code)
        code.append(None)
        if careful:
            mark = self.registers
            self.registers += 1
            code.append((MARK, mark))
        self.emit(body)
        if careful:
            code.append((MOVED, mark))
        code.append((JUMP, start))
        code[start] = (SPLIT if kind == "greedy" else PREFER, len(code))

    def _optional(self, body, count, kind):
        code = self.code
        splits = []
        for _ in range(count):
            splits.append(len(code))
            code.append(None)
            self.emit(body)
        for split in splits:
            code[split] = (SPLIT if kind == "greedy" else PREFER, len(code))


def _flat(tree):
    parts = []
    for part in tree[1]:
        if part[0] == "cat":
            parts += _flat(part)
        else:
            parts.append(part)
    return parts


def _unwrapped(tree):
    while tree[0] == "cat" and len(tree[1]) == 1:
        tree = tree[1][0]
    return tree


def _may_be_empty(tree):
    kind = tree[0]
    if kind in ("char", "set"):
        return False
    if kind == "cat":
        return all([_may_be_empty(part) for part in tree[1]])
    if kind == "alt":
        return any([_may_be_empty(part) for part in tree[1]])
    if kind == "group":
        return _may_be_empty(tree[2])
    if kind == "atomic":
        return _may_be_empty(tree[1])
    if kind == "rep":
        return tree[2] == 0 or _may_be_empty(tree[1])
    return True


def _start(tree):
    """What a match begins with: (a list of codes, None), (None, a table of codes), or (None, None)."""
    letters = []
    for part in _flat(("cat", [tree])):
        if part[0] == "char":
            letters.append(part[1])
            continue
        if not letters:
            if part[0] == "at":
                continue
            return None, _first(part)
        break
    return (letters, None) if letters else (None, None)


def _first(tree):
    """A table of 256 where 1 means that a match may begin so; codes above always may. None: anything may."""
    kind = tree[0]
    if kind == "set":
        return tree[1].table
    if kind == "char":
        table = bytearray(256)
        if tree[1] < 256:
            table[tree[1]] = 1
        return table
    if kind == "group":
        return _first(tree[2])
    if kind == "atomic":
        return _first(tree[1])
    if kind == "rep":
        return _first(tree[1]) if tree[2] > 0 else None
    if kind == "cat":
        for part in tree[1]:
            if part[0] == "at" or part[0] == "look":
                continue
            return _first(part)
        return None
    if kind == "alt":
        table = bytearray(256)
        for part in tree[1]:
            other = _first(part)
            if other is None:
                return None
            for c in range(256):
                if other[c]:
                    table[c] = 1
        return table
    return None
