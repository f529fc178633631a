"""The guests' abc against CPython's."""


def test_abstract_classes(same):
    same("""
from abc import ABC, abstractmethod
class Shape(ABC):
    @abstractmethod
    def area(self): ...
    @property
    @abstractmethod
    def name(self): ...
    def show(self): return f"{self.name} {self.area()}"
class Sq(Shape):
    def __init__(self, s): self.s = s
    def area(self): return self.s ** 2
    @property
    def name(self): return "sq"
print(Sq(3).show(), isinstance(Sq(1), Shape), issubclass(Sq, Shape))
for c in (Shape,):
    try: c()
    except TypeError as e: print(e)
class Half(Shape):
    def area(self): return 1
try: Half()
except TypeError as e: print(e)
from abc import ABCMeta
class X(metaclass=ABCMeta):
    @abstractmethod
    def f(self): pass
""")
