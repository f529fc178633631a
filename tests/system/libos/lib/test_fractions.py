"""fractions: CPython's answers, beside ints, floats and Decimals."""

from __future__ import annotations

from .conftest import Same


def test_fractions(same: Same) -> None:
    same("""
from fractions import Fraction as F
from decimal import Decimal as D
import math
def t(f):
    try: print(repr(f()))
    except Exception as e: print(type(e).__name__, e)
for x in ["1/2","-3/4"," 5 ","1.25","1e3","-.5","2/0","a","1/","1/2/3","1_0/2_0","3.","","1 /2","+7",
    "-1.5e-3","0/5","1__0","1e"]: t(lambda: F(x))
for a in [(1,2),(4,-6),(0,5),(3,),(),(0.5,),(D("1.1"),),(1.1,),(F(1,2),F(3,4)),(F(1,3),2),(1,0),(0,0),(1.5,
    2),("1",2),(None,),(float("nan"),),(float("inf"),),(True,),(1j,),(7,7),(10**30,10**28)]: t(lambda: F(*a))
vals=[F(1,2),F(-7,3),F(0),F(5),3,-2,0,0.5, F(10**20,3), True, 1.5]
for a in vals:
    for b in vals:
        for n,op in (("+",lambda:a+b),("-",lambda:a-b),("*",lambda:a*b),("/",lambda:a/b),("//",lambda:a//b),
            ("%",lambda:a%b),
                      ("<",lambda:a<b),("<=",lambda:a<=b),(">",lambda:a>b),("==",lambda:a==b),("!=",
                          lambda:a!=b),("dm",lambda:divmod(a,b))):
            if (isinstance(a, F) or isinstance(b, F)) and (b or not isinstance(a,
                float)) and (b or not isinstance(b, float)): t(op)
for a in vals[:4]:
    t(lambda:a**2); t(lambda:a**-2); t(lambda:a**F(1,
        2) if a>=0 else 0); t(lambda:2**a); t(lambda:a**0.5 if a>=0 else 0); t(lambda: (float(a),int(a),
        round(a),round(a,1),math.floor(a),math.ceil(a),math.trunc(a),str(a),a.numerator,a.denominator,abs(a),
        -a,+a,bool(a),a.as_integer_ratio(), a.limit_denominator(2)))
t(lambda: F(math.pi).limit_denominator(1000))
t(lambda: F("3.1415926535").limit_denominator(100))
t(lambda: F(1,3).limit_denominator(0))
t(lambda: F.from_float(0.75))
t(lambda: F.from_decimal(D("0.75")))
t(lambda: F.from_float("a"))
t(lambda: sum([F(1,2),F(1,3)]))
t(lambda: sorted([F(1,2),0.3,1]))
t(lambda: max(F(1,2),F(2,3)))
t(lambda: {F(1,2):1}[0.5])
t(lambda: F(1,2)==D("0.5"))
t(lambda: hash(F(3))==hash(3))
t(lambda: f"{F(1,2)} {F(3,4)!r}")
t(lambda: "%s"%F(1,2))
t(lambda: F(1,2)+"a" if 0 else 1)
t(lambda: F(1,2).is_integer() if 0 else 1)
t(lambda: math.gcd(F(4).numerator,6))
t(lambda: F(1,2)+1j)
t(lambda: F(1,2)==1j)
t(lambda: math.sqrt(F(1,4)))
t(lambda: math.prod([F(1,2)]*3))
t(lambda: [F(1,3)]*2)
t(lambda: type(F(1,2)))
t(lambda: complex(F(1,2)))
t(lambda: pow(F(1,2),3))
t(lambda: F(1,2)<"a" if 0 else 0)
t(lambda: F(numerator=1,denominator=3))
t(lambda: F(8,2))
t(lambda: format(F(1,2),".2f"))
""")
