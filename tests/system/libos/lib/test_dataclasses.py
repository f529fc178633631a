"""The guests' dataclasses against CPython's."""


def test_dataclasses(same):
    same("""
from dataclasses import dataclass, field, asdict, astuple, replace, fields, is_dataclass, FrozenInstanceError
from typing import List, Optional, ClassVar, Dict
class P:
    x: int
    y: float = 2.5
    tags: List[str] = field(default_factory=list)
    count: ClassVar[int] = 0
    def norm(self) -> float:
        z: int = 3
        return self.x + self.y
p = P(1)
print(p, p == P(1), p.norm(), asdict(p), astuple(p), replace(p, x=9), [f.name for f in fields(P)])
print([f.type for f in fields(P)][:2], is_dataclass(p), P.count)
class V:
    a: int
    b: str = field(default="z", compare=False)
    def __post_init__(self): print("post", self.a)
print(V(1) < V(2), sorted([V(3), V(1)]), hash(V(1)) == hash(V(1)), {V(1): 1})
try: V(1).a = 2
except FrozenInstanceError as e: print(e)
for f in (lambda: P(), lambda: P(1,2,3,4), lambda: P(1, q=2), lambda: P(1, x=2), lambda: replace(p, q=1)):
    try: f()
    except TypeError as e: print(e)
class B(P):
    extra: Optional["B"] = None
    m: Dict[str, int] = field(
        default_factory=dict, repr=False)
print(B(1, extra=B(2)), asdict(B(1, extra=B(2))))
class K:
    a: int
    _: "KW_ONLY" = None
try: print(hash(P(1)))
except TypeError as e: print(e)
try:
    @dataclass
    class Bad:
        x: list = []
except ValueError as e: print(e)
""")
