"""Runs programs of re: backtracking, with a stack of its own, so that long texts need no deep recursion.

`run` is one long function because every call costs as much as several steps. The stack holds, from the
top: a place >= 0 and a position (a branch not yet taken); -1, a register and its value before; -2, a
place, a lower bound and a position (a greedy span that may give back); -3, a place, an upper bound, a
position and the span's operation (a lazy span that may take more).
"""

from ._sets import cases, category


def _is_word(s, i, ascii):
    if not 0 <= i < len(s):
        return False
    return category("w", ascii).big(s[i])


def _at(kind, s, i, end):
    if kind == "start":
        return i == 0
    if kind == "end":
        return i == end or (i + 1 == end and s[i] == 10)
    if kind == "line start":
        return i == 0 or s[i - 1] == 10
    if kind == "line end":
        return i == end or s[i] == 10
    if kind == "very end":
        return i == end
    ascii = kind.startswith("ascii")
    edge = _is_word(s, i - 1, ascii) != (i < end and _is_word(s, i, ascii))
    if not s:  # empty text has neither boundaries nor places that are none
        return False
    return edge == kind.endswith("boundary")


def _same(a, b, ignore):
    if len(a) != len(b):
        return False
    if not ignore:
        return a == b
    for x, y in zip(a, b):
        if x != y and y not in cases(x, False):
            return False
    return True


def _span_end(s, i, top, table, chars):
    """Where a run of the set (or of the one code `chars` where there is no table) ends, from i, before top."""  # noqa: E501 - one line of words
    if table is None:
        while i < top and s[i] == chars:
            i += 1
        return i
    if chars.only >= 0 and isinstance(s, bytes):
        found = s.find(bytes((chars.only,)), i, top)
        return top if found < 0 else found
    if isinstance(s, bytes):
        while i < top and table[s[i]]:
            i += 1
        return i
    while i < top:
        c = s[i]
        if not (table[c] if c < 256 else chars.big(c)):
            break
        i += 1
    return i


def run(code, s, i, end, regs, pc=0, whole=False, barred=-1):
    """The end of a match that begins at i, or -1; `regs` gets its registers. `whole`: it must end at `end`.
    `barred`: where it must not end."""
    stack = []
    push = stack.append
    pop = stack.pop
    start = i
    while True:
        step = code[pc]
        op = step[0]
        if op == 0:  # CHAR
            if i < end and s[i] == step[1]:
                i += 1
                pc += 1
                continue
        elif op == 1:  # SET
            if i < end:
                c = s[i]
                if step[1][c] if c < 256 else step[2].big(c):
                    i += 1
                    pc += 1
                    continue
        elif op == 7:  # SPAN
            high = step[4]
            top = end if high is None or i + high > end else i + high
            j = _span_end(s, i, top, step[1], step[2])
            low = i + step[3]
            if j >= low:
                pc += 1
                if j > low:
                    # What follows begins with a character: give back to where one is.
                    push(j)
                    push(low)
                    push(pc)
                    push(-2)
                i = j
                continue
        elif op == 2:  # STRING
            j = i + step[1]
            if j <= end and s[i:j] == (step[2] if isinstance(s, bytes) else step[3]):
                i = j
                pc += 1
                continue
        elif op == 6:  # SAVE
            n = step[1]
            push(regs[n])
            push(n)
            push(-1)
            regs[n] = i
            pc += 1
            continue
        elif op == 18:  # CLOSE
            n = step[1]
            last = step[2]
            push(regs[last])
            push(last)
            push(-1)
            push(regs[n])
            push(n)
            push(-1)
            regs[n] = i
            regs[last] = n // 2
            pc += 1
            continue
        elif op == 3:  # SPLIT
            push(i)
            push(step[1])
            pc += 1
            continue
        elif op == 5:  # JUMP
            pc = step[1]
            continue
        elif op == 9:  # MATCH
            if (not whole or i == end) and i != barred:
                regs[0] = start
                regs[1] = i
                return i
        elif op == 4:  # PREFER
            push(i)
            push(pc + 1)
            pc = step[1]
            continue
        elif op == 8:  # LAZY
            low = i + step[3]
            high = step[4]
            top = end if high is None or i + high > end else i + high
            if low <= top and _span_end(s, i, low, step[1], step[2]) == low:
                pc += 1
                i = low
                if low < top:
                    push(step)
                    push(i)
                    push(top)
                    push(pc)
                    push(-3)
                continue
        elif op == 10:  # AT
            if _at(step[1], s, i, end):
                pc += 1
                continue
        elif op == 11:  # REF
            a, b = regs[step[1]], regs[step[1] + 1]
            if a >= 0 and b >= 0:
                j = i + b - a
                if j <= end and _same(s[a:b], s[i:j], step[2]):
                    i = j
                    pc += 1
                    continue
        elif op == 12:  # LOOK
            kept = list(regs)
            width = step[2]
            if width is None:
                found = run(code, s, i, end, regs, step[1])
            else:
                found = run(code, s, i - width, i, regs, step[1], True) if width <= i else -1
            if (found >= 0) == step[3]:
                _undo(regs, kept, push, step[3])
                pc += 1
                continue
            regs[:] = kept
        elif op == 13:  # ATOMIC
            kept = list(regs)
            found = run(code, s, i, end, regs, step[1])
            if found >= 0:
                _undo(regs, kept, push, True)
                i = found
                pc += 1
                continue
            regs[:] = kept
        elif op == 14:  # COND
            pc = pc + 1 if regs[step[1]] >= 0 else step[2]
            continue
        elif op == 15:  # MARK
            n = step[1]
            push(regs[n])
            push(n)
            push(-1)
            regs[n] = i
            pc += 1
            continue
        elif op == 16:  # MOVED: a round that took nothing is the last
            pc = pc + 1 if regs[step[1]] != i else pc + 2
            continue
        elif op == 17:  # GRAB
            high = step[4]
            top = end if high is None or i + high > end else i + high
            j = _span_end(s, i, top, step[1], step[2])
            if j >= i + step[3]:
                i = j
                pc += 1
                continue
        # Nothing fits here: back to the last choice.
        while stack:
            pc = pop()
            if pc >= 0:
                i = pop()
                break
            if pc == -1:
                n = pop()
                regs[n] = pop()
                continue
            if pc == -2:
                pc = pop()
                low = pop()
                i = pop() - 1
                step = code[pc]
                if step[0] == 0 and i > low:
                    c = step[1]
                    while i > low and (i >= end or s[i] != c):
                        i -= 1
                if i > low:
                    push(i)
                    push(low)
                    push(pc)
                    push(-2)
                break
            pc = pop()
            top = pop()
            i = pop()
            step = pop()
            c = s[i]
            table = step[1]
            if c == step[2] if table is None else (table[c] if c < 256 else step[2].big(c)):
                i += 1
                if i < top:
                    push(step)
                    push(i)
                    push(top)
                    push(pc)
                    push(-3)
                break
        else:
            return -1


def _undo(regs, kept, push, wanted):
    """What a part set stays, and is taken back with the branch that it belongs to."""
    if not wanted:
        regs[:] = kept
        return
    regs[0], regs[1] = kept[0], kept[1]
    for n in range(2, len(regs)):
        if regs[n] != kept[n]:
            push(kept[n])
            push(n)
            push(-1)
