"""The guests' collections against CPython's."""


def test_counter(same):
    same("""
from collections import *
c=Counter("abracadabra")
print(c, c.most_common(2), c["z"], sum(c.values()), c.total(), sorted(c.elements()))
d=Counter(a=3,b=1)-Counter(a=1,b=2)
print(d, Counter(a=1)+Counter(b=2), Counter(a=1,b=3)&Counter(a=2,b=1), Counter(a=1)|Counter(a=3))
c.update("zzz")
c.subtract("a")
print(c["z"],c["a"])
print(Counter())
print(c==Counter(c), dict(Counter("ab")))
words="the quick the lazy the dog".split()
print(Counter(words).most_common(1))
""")


def test_default_and_ordered_dicts(same):
    same("""
from collections import *
d=defaultdict(list)
d["a"].append(1)
d["b"]
print(d, dict(d), d.get("z"), "z" in d, len(d))
n=defaultdict(int)
for w in "a b a".split(): n[w]+=1
print(n, sorted(n.items()), n==dict(n))
t=defaultdict(lambda: defaultdict(int))
t["x"]["y"]+=1
print({k:dict(v) for k,v in t.items()})
for k,v in d.items(): print(k,v)
o=OrderedDict([("b",1),("a",2)])
o["c"]=3
o.move_to_end("b")
print(o, list(o), o.popitem(last=False), list(reversed(o)), o==OrderedDict([("c",3),("b",1)]))
print(OrderedDict(), OrderedDict(a=1))
""")


def test_deque(same):
    same("""
from collections import *
q=deque([1,2,3],maxlen=3)
q.append(4)
q.appendleft(0)
print(q, q[0], q[-1], len(q), 2 in q, list(reversed(q)))
q=deque()
q.extend([1,2,3])
q.rotate(1)
print(q, q.pop(), q.popleft(), q)
q.extendleft([7,8])
print(q, q.index(7), q.count(8), bool(deque()), deque([1])==deque([1]))
for i in range(100): q.append(i)
for i in range(50): q.popleft()
print(len(q), q[3], list(q)[:5])
try: deque().pop()
except IndexError as e: print(e)
""")


def test_namedtuple_and_chainmap(same):
    same("""
from collections import *
P=namedtuple("P","x y")
p=P(1,y=2)
print(p, p.x, p[1], p._asdict(), p._replace(x=5), P._fields, P._make([3,4]), p==(1,2), tuple(p))
print(isinstance(p,tuple))
a,b=p
print(a,b, sorted([P(2,1),P(1,5)]), hash(p)==hash(P(1,2)), {p:1}[P(1,2)], p+(3,), len(p), list(p))
E=namedtuple("E",["name","age"],defaults=[5])
print(E("a"), E._field_defaults, E("b",6))
class S(namedtuple("S","a b")):
    def total(self): return self.a+self.b
    def __str__(self): return "S!"
print(S(1,2).total(), S(1,2), repr(S(1,2)))
for f in (lambda: P(1), lambda: P(1,2,3), lambda: P(1,z=2), lambda: namedtuple("X","a a"), lambda: p._replace(q=1)):
    try: f()
    except (TypeError,ValueError) as e: print(e)
try: p.x=3
except AttributeError: print("ro")
from collections import ChainMap
m=ChainMap({"a":1},{"a":2,"b":3})
print(m["a"],m["b"],dict(m.items()),len(m),m)
""")
