"""The guests' functools against CPython's."""


def test_functools(same):
    same("""
from functools import *
def fib(n): return n if n<2 else fib(n-1)+fib(n-2)
print(fib(80), fib.cache_info())
def f(x): print("call",x); return x
f(1)
f(2)
f(1)
f(3)
f(2)
print(f.cache_info())
f.cache_clear()
print(f.cache_info())
print(reduce(lambda a,b:a+b,[1,2,3],10), partial(int,base=2)("101") if 0 else 5)
print(sorted([3,1,2],key=cmp_to_key(lambda a,b:b-a)))
class A:
    def __init__(self): self.n=0
    @cached_property
    def v(self): self.n+=1; return self.n
    @lru_cache
    def m(self,x): return x*2
a=A()
print(a.v,a.v,a.n,a.m(4),a.m(4))
class V:
    def __init__(self,x): self.x=x
    def __eq__(self,o): return self.x==o.x
    def __lt__(self,o): return self.x<o.x
print(V(1)<=V(2),V(1)>=V(2),V(1)>V(2),sorted([V(3),V(1)])[0].x)
def g(x): return "obj"
def _(x): return "int"
def _(x): return "list"
print(g(1),g([1]),g("a"),g(True))
p=partial(lambda a,b,c=0:(a,b,c),1,c=5)
print(p(2),p.args,p.keywords)
try: reduce(lambda a,b:a,[])
except TypeError as e: print(e)
def deco(fn):
    @wraps(fn)
    def w(*a): return fn(*a)
    return w
def hello(): return 5
print(hello())
""")
