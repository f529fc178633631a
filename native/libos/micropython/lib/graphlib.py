"""TopologicalSorter and CycleError. Nodes that are ready together come in the order in which they were added."""  # noqa: E501 - one line of words


class CycleError(ValueError):
    pass


class TopologicalSorter:
    def __init__(self, graph=None):
        self._before, self._after, self._left = {}, {}, None
        for node, before in (graph or {}).items():
            self.add(node, *before)

    def add(self, node, *before):
        if self._left is not None:
            raise ValueError("Nodes cannot be added after a call to prepare()")
        for one in (node,) + before:
            self._before.setdefault(one, [])
            self._after.setdefault(one, [])
        for one in before:
            if one not in self._before[node]:
                self._before[node].append(one)
                self._after[one].append(node)

    def prepare(self):
        if self._left is not None:
            raise ValueError("cannot prepare() more than once")
        cycle = self._cycle()
        if cycle:
            self._left = {}
            raise CycleError("nodes are in a cycle", cycle)
        self._left = {node: len(before) for node, before in self._before.items()}
        self._ready = [node for node, count in self._left.items() if not count]
        self._out = set()

    def _cycle(self):
        done = set()
        for start in self._before:
            path, works = [start], [iter(self._after[start])]
            if start in done:
                continue
            while path:
                for node in works[-1]:
                    if node in path:
                        return path[path.index(node) :] + [node]
                    if node not in done:
                        path.append(node)
                        works.append(iter(self._after[node]))
                        break
                else:
                    done.add(path.pop())
                    works.pop()
        return None

    def _prepared(self):
        if self._left is None:
            raise ValueError("prepare() must be called first")

    def get_ready(self):
        self._prepared()
        ready, self._ready = tuple(self._ready), []
        self._out |= set(ready)
        return ready

    def is_active(self):
        self._prepared()
        return bool(self._ready) or bool(self._out)

    __bool__ = is_active

    def done(self, *nodes):
        self._prepared()
        for node in nodes:
            if node not in self._left:
                raise ValueError(f"node {node!r} was not added using add()")
            if node not in self._out:
                words = (
                    "was already marked done"
                    if self._left[node] < 0
                    else "was not passed out (still not ready)"
                )
                raise ValueError(f"node {node!r} {words}")
            self._out.remove(node)
            self._left[node] = -1
            for after in self._after[node]:
                self._left[after] -= 1
                if not self._left[after]:
                    self._ready.append(after)

    def static_order(self):
        self.prepare()
        while self.is_active():
            ready = self.get_ready()
            for node in ready:
                yield node
            self.done(*ready)
