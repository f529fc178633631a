"""The guests' itertools and operator against CPython's."""


def test_itertools(same):
    same("""
from itertools import *
print(list(islice(count(10,2),3)), list(islice(cycle("ab"),5)), list(repeat(1,3)))
print(list(accumulate([1,2,3])), list(accumulate([1,2,3],lambda a,b:a*b,initial=5)))
print(list(chain([1],[2,3])), list(chain.from_iterable(["ab","c"])), list(compress("abcd",[1,0,1,0])))
print(list(dropwhile(lambda x:x<3,[1,3,2])), list(takewhile(lambda x:x<3,[1,3,2])))
print(list(filterfalse(lambda x:x%2,range(5))), list(starmap(pow,[(2,3),(3,2)])))
print(list(pairwise([1,2,3])), list(islice(range(10),2,8,3)), list(islice([1,2,3],0)))
print(list(zip_longest([1,2,3],"a",fillvalue="-")), list(product([1,2],"ab")))
print(list(product([0,1],repeat=2)), list(permutations([1,2,3])), list(permutations([1,2,3],2)))
print(list(combinations([1,2,3],2)), list(combinations_with_replacement("ab",2)))
print(list(combinations([1],2)), list(permutations([],0)), list(product()), list(combinations([1,2],0)))
for k,g in groupby("aabbc"): print(k,list(g))
for k,g in groupby([1,1,2,3,3]): print(k)
a,b=tee([1,2,3])
print(list(a),list(b))
it=iter(range(10))
print(list(islice(it,3)), list(it))
""")


def test_operator(same):
    same("""
import operator as o
print(o.itemgetter(1)([1,2]), o.itemgetter(0,2)("abc"), o.attrgetter("real")(3) if 0 else 0, o.add(1,2))
print(o.mul(2,3), sorted([(1,"b"),(0,"c")],key=o.itemgetter(1)), o.methodcaller("upper")("a"))
print(o.contains([1],1), o.not_(1), o.truediv(1,2), o.neg(3), o.countOf([1,1],1))
""")
