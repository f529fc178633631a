def test_order_and_cycles(same):
    same("""
from graphlib import TopologicalSorter, CycleError
print(list(TopologicalSorter({"d": ["b", "c"], "b": ["a"], "c": ["a"]}).static_order()))
t = TopologicalSorter(); t.add(3, 1, 2); t.add(2, 1); t.prepare()
while t.is_active():
    ready = t.get_ready(); print(ready); t.done(*ready)
try: list(TopologicalSorter({1: [2], 2: [3], 3: [1]}).static_order())
except CycleError as error: print(error.args[0], len(error.args[1]), isinstance(error, ValueError))
for act in (lambda: t.add(9), lambda: t.prepare(), lambda: t.done(7), lambda: t.done(1), lambda: TopologicalSorter().get_ready()):
    try: act()
    except ValueError as error: print(error)
""")
