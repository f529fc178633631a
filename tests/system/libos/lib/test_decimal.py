"""decimal: CPython's answers, flags and words of exceptions."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Same


def test_construction_and_what_it_refuses(same: Same) -> None:
    same("""
from decimal import *
D=Decimal
def t(f):
    try: print(repr(f()))
    except Exception as e: print(type(e), e)
for x in ["1","-1.5","  3.14  ","1_000.5","1__0","_1","1_","","  ","abc","1e5","1E-5","1e","e5","1.2.3","+5",
    "--5","inf","-Infinity","nan","NaN123","snan5","nan_1","infin",".5","5.","."," . ","1e+",
    "1e999999999999999999","1e99999999999999999999","0x10","1 2","1,000","$5","1e-1999999999999999999","-0",
    "0E+10","-0.00","000123.4500"]:
    t(lambda: D(x))
for x in [1.1,0.1,float("nan"),float("-inf"),-0.0,1e300,True,10**40,-5,(0,(1,2,3),-2),[1,[4,5],0],(0,(),"F"),
    (0,(1,),"n"),(1,(),"N"),(2,(1,),0),(0,(11,),0),(0,(1,),"x"),(0,(1,)),(0,("1",),0),("0",(1,),0),(0,"12",
    0),None,b"1",{},1j,object]:
    t(lambda: D(x))
t(lambda: D())
t(lambda: D(value="5"))
t(lambda: D("1","2"))
t(lambda: D("x",Context(traps=[])))
t(lambda: D.from_float("1"))
t(lambda: D.from_float(0.1))
t(lambda: D.from_float(3))
""")


def test_operands_of_other_types(same: Same) -> None:
    same("""
from decimal import *
D=Decimal
def t(f):
    try: print(repr(f()))
    except Exception as e: print(type(e), e)
for o in ["a", 1.5, None, [1], 1j]:
    for f in (lambda: D(1) + o, lambda: o + D(1), lambda: D(1) * o, lambda: D(1) < o, lambda: o < D(1),
        lambda: D(1) == o,
              lambda: D(1) ** o, lambda: o ** D(1), lambda: D(1) % o, lambda: D(1) // o, lambda: divmod(D(1),
                  o),
              lambda: divmod(o,
                  D(1)), lambda: o / D(1), lambda: D(1) / o, lambda: D(1) - o, lambda: o - D(1)):
        try:
            print(f())
        except TypeError:
            print("TypeError")
""")


def test_signals_and_their_words(same: Same) -> None:
    same("""
from decimal import *
D=Decimal
def t(f):
    try: print(repr(f()))
    except Exception as e: print(type(e), e)
t(lambda: D(1)/0)
t(lambda: D(0)/0)
t(lambda: D(1)//0)
t(lambda: D(0)//0)
t(lambda: D(1)%0)
t(lambda: divmod(D(1),0))
t(lambda: divmod(D(0),0))
t(lambda: D(0)**0)
t(lambda: D(0)**-1)
t(lambda: D(-1)**D("0.5"))
t(lambda: D(-1).sqrt())
t(lambda: D(0).ln())
t(lambda: D(-1).ln())
t(lambda: D(-1).log10())
t(lambda: D("1e999999")*10)
t(lambda: D("1e-999999")/10**30)
t(lambda: D("123.456").quantize(D("1e-30")))
t(lambda: int(D("nan")))
t(lambda: int(D("inf")))
t(lambda: round(D("nan")))
t(lambda: round(D("inf")))
t(lambda: D("1e30")//D("1e-10"))
t(lambda: D("inf")-D("inf"))
t(lambda: D("inf")*0)
t(lambda: float(D("snan")))
t(lambda: hash(D("snan")))
t(lambda: D("snan")+1)
t(lambda: D("nan")<1)
t(lambda: D("nan")==1)
t(lambda: sorted([D(3),D("nan")]))
t(lambda: D("1e10").exp())
t(lambda: D("-1e10").exp())
t(lambda: D(10)**D("1e10"))
""")


def test_conversions_and_functions_of_math(same: Same) -> None:
    same("""
from decimal import *
D=Decimal
def t(f):
    try: print(repr(f()))
    except Exception as e: print(type(e), e)
t(lambda: round(D("2.675"),2))
t(lambda: round(D("2.5")))
t(lambda: type(round(D("2.5"))))
t(lambda: round(D("12345"),-2))
t(lambda: round(D("1.5"),"a"))
t(lambda: round(D("1.5"),None))
t(lambda: abs(D(-3)))
t(lambda: -D(0))
t(lambda: +D("-0"))
t(lambda: float(D("0.1")))
t(lambda: complex(D(2)))
t(lambda: bool(D("0.0")))
t(lambda: D("1.0")==1)
t(lambda: D("0.1")==0.1)
t(lambda: D("0.5")==0.5)
t(lambda: D("0.1")<0.1)
t(lambda: 0.1 > D("0.1"))
t(lambda: hash(D("1.5"))==hash(1.5))
t(lambda: {D("1.0"):1, 1:2})
t(lambda: D(1) in [1.0])
t(lambda: {1,D(1),1.0})
t(lambda: {"a":D("1.50")})
t(lambda: [D(1)])
t(lambda: str(D("1E+2")))
t(lambda: sum([D("0.1")]*10))
t(lambda: sum([D("0.1")]*3,D(0)))
t(lambda: max(D(1),2,1.5))
t(lambda: sorted([D(2),1,D("1.5"),0.5]))
import math
t(lambda: math.floor(D("-1.5")))
t(lambda: math.ceil(D("1.2")))
t(lambda: math.trunc(D("-1.7")))
t(lambda: math.sqrt(D(2)))
t(lambda: math.isnan(D("nan")))
t(lambda: math.isclose(D("0.1"),D("0.1")))
t(lambda: math.fsum([D("0.1")]*3))
t(lambda: math.prod([D(2),D("1.5")]))
t(lambda:math.log(D(10)))
t(lambda: math.isinf(D("inf")))
t(lambda: math.pow(D(2),3))
t(lambda: math.copysign(D(1),-1))
from fractions import Fraction
def r(f):  # CPython's own Decimal calls itself decimal.Decimal
    try: print(f())
    except TypeError: print("TypeError")
t(lambda: D(1)==Fraction(1))
t(lambda: D("0.5")<Fraction(2,3))
t(lambda: Fraction(1,2)==D("0.5"))
r(lambda: D(1)+Fraction(1))
r(lambda: Fraction(1)+D(1))
t(lambda: Fraction(D("0.125")))
t(lambda: Fraction("1/3")<D("0.34"))
t(lambda: Fraction(1,3)<D(1))
r(lambda: D(1)/Fraction(1))
t(lambda: Fraction(D("nan")))
t(lambda: Fraction(D("inf")))
""")


def test_contexts(same: Same) -> None:
    same("""
from decimal import *
D=Decimal
def t(f):
    try: print(repr(f()))
    except Exception as e: print(type(e), e)
print(getcontext()); print(DefaultContext); print(BasicContext); print(ExtendedContext)
c=getcontext(); c.prec=6; print(D(1)/7, c.prec, c.flags[Inexact], c.traps[Inexact])
print(c.flags); print(repr(c.traps))
with localcontext() as ctx:
    ctx.prec=50; print(D(1)/7, D(2).sqrt())
print(D(1)/7)
with localcontext(prec=3, rounding=ROUND_UP) as ctx: print(D(1)/3, ctx)
with localcontext(Context(prec=4)) as ctx: print(D(1)/3, ctx is getcontext())
t(lambda: localcontext(foo=1))
t(lambda: localcontext(3))
t(lambda: setcontext(3))
t(lambda: localcontext(prec="a"))
t(lambda: localcontext(prec=0))
def s(k,v): setattr(getcontext(),k,v)
for k,v in [("prec",0),("prec","a"),("prec",1.5),("prec",-1),("rounding","x"),("rounding",1),("Emin",1),
    ("Emax",-1),("capitals",2),("clamp",3),("foo",1),("prec",10**20),("flags",3),("traps",[Inexact])]:
    t(lambda: s(k,v))
getcontext().traps[Inexact]=True
t(lambda: D(1)/3)
t(lambda: D("0.1")+D("0.2"))

getcontext().traps[Inexact]=False
getcontext().traps[FloatOperation]=True
t(lambda: D(1.5))
t(lambda: D(1)<1.5)
t(lambda: D(1)==1.5)
t(lambda: D.from_float(1.5))
getcontext().traps[FloatOperation]=False
t(lambda: getcontext().traps.__setitem__("x",1))
t(lambda: getcontext().traps["x"])
t(lambda: getcontext().flags[InvalidOperation])
t(lambda: len(getcontext().flags))
t(lambda: sorted(k.__name__ for k in getcontext().flags))
t(lambda: [k.__name__ for k in getcontext().flags])
t(lambda: list(getcontext().flags.values()))
t(lambda: dict(getcontext().flags)=={})
t(lambda: getcontext().flags == {})
t(lambda: getcontext().flags.copy())
setcontext(Context())
c=Context(prec=5); print(c, c.copy(), c==c.copy())
for n,a in [("add",(1,2)),("subtract",(D("1.23456"),1)),("multiply",("3",2)),("divide",(1,3)),("divide_int",
    (7,2)),("remainder",(7,2)),("remainder_near",(10,6)),("divmod",(7,2)),("power",(2,10)),("power",(2,10,
    7)),("sqrt",(2,)),("exp",(1,)),("ln",(2,)),("log10",(2,)),("create_decimal",("3.1415926535",)),
    ("create_decimal",("1_0",)),("create_decimal",(" 1",)),("create_decimal",(1.23456789,)),
    ("create_decimal_from_float",(1/3,)),("plus",(D("1.2345678"),)),("minus",(1,)),("abs",(-1,)),("quantize",
    (D("1.2345"),D("0.01"))),("compare",(1,2)),("compare_total",(1,2)),("max",(1,2)),("min",(1,2)),
    ("max_mag",(1,-2)),("min_mag",(1,-2)),("fma",(2,3,4)),("scaleb",(1,2)),("logb",(1234,)),("next_plus",(1,
    )),("next_minus",(1,)),("next_toward",(1,2)),("number_class",(1,)),("is_nan",(1,)),("is_zero",(0,)),
    ("is_finite",(0,)),("is_infinite",(0,)),("is_signed",(0,)),("is_qnan",(0,)),("is_snan",(0,)),
    ("is_canonical",(D(0),)),("is_normal",(1,)),("is_subnormal",(1,)),("to_sci_string",(D("1E+5"),)),
    ("to_eng_string",(D("1E+5"),)),("to_integral_value",(D("1.5"),)),("to_integral_exact",(D("1.5"),)),
    ("normalize",(D("1.500"),)),("same_quantum",(D("1.5"),D("2.5"))),("copy_abs",(-1,)),("copy_negate",(1,)),
    ("copy_sign",(1,-1)),("copy_decimal",(1,)),("canonical",(D(1),)),("radix",()),("Etiny",()),("Etop",()),
    ("clear_flags",()),("clear_traps",()),("shift",(123,1)),("rotate",(123,1)),("logical_and",(101,110)),
    ("logical_or",(101,110)),("logical_xor",(101,110)),("logical_invert",(101,)),("add",("x",1)),("add",(1.5,
    1)),("compare_signal",(1,2))]:
    t(lambda: getattr(c,n)(*a))
""")


def test_format(same: Same) -> None:
    same("""
from decimal import *
D=Decimal
def t(f):
    try: print(repr(f()))
    except Exception as e: print(type(e), e)
nums=[D(x) for x in ("0","1","-1","1234567.891","-0.00001234","1E+10","1.5E-10","0.5","99.995","1E+5","0E+3",
    "0.000","NaN","-Inf","sNaN3","123456789012345678901234567890.12345","0.1","-0","100","1.10")]
specs=["","f",".2f",",.2f","10.2f","<10.2f","^12.3f","+.1f"," .1f","010.2f","e",".3e","E","g",".3g","G","%",
    ".1%",",","n","_","_.2f","*^20,.2f","=+10","d","x","s","10","<10",".0f",".10f","#.2f","é>8","0>8",
    "08,.1f","020,",",.2","10.3","+","-"," ",",.3g",",e","1.","..","a","10s","5.1%","<5","0<10","+010.1f",
    ",.0f",".15g",".1g",".0e",".0g",",%","<<10","012n","{"]
for s in specs:
    for n in nums:
        t(lambda: format(n,s))
print(f"{D('1234.5'):,.2f} {D('0.256'):.1%} {D(5):>8} {D('1.10')!r} {D('1.10')}",
    "{:.3f}|{:10}".format(D("2.00049"),D("3.1")), "%s %r"%(D(1),D("1.0")))
""")


def test_operations_in_many_contexts(same: Same) -> None:
    same("""
from decimal import *
D = Decimal
_s=[12345]
def rnd(n):
    _s[0]=(_s[0]*6364136223846793005+1442695040888963407)%(1<<64)
    return (_s[0]>>33)%n
def num(big=False):
    k=rnd(20)
    if k==0: return D(["NaN","sNaN","Inf","-Inf","NaN12","-0","0","0E+5","-0.000"][rnd(9)])
    nd=[1,2,3,5,9,20,40][rnd(7)]
    v=rnd(10**9)*10**20+rnd(10**9)*10**10+rnd(10**10)
    v=v%10**nd
    if rnd(4)==0: v=v//10**(nd//2)*10**(nd//2)
    e=[0,0,-1,-2,-5,3,-20,15,-9,[-300,300,40][rnd(3)]][rnd(10)]
    return D((rnd(2),tuple(int(c) for c in str(v)),e))
rounds=[ROUND_CEILING,ROUND_FLOOR,ROUND_UP,ROUND_DOWN,ROUND_HALF_UP,ROUND_HALF_DOWN,ROUND_HALF_EVEN,
    ROUND_05UP]
two=["__add__","__sub__","__mul__","__truediv__","__floordiv__","__mod__","__divmod__","compare",
    "compare_signal","compare_total","compare_total_mag","max","min","max_mag","min_mag","quantize",
    "same_quantum","scaleb","copy_sign","remainder_near","__eq__","__lt__","__le__","__radd__","__rsub__",
    "__rtruediv__"]
one=["__neg__","__pos__","__abs__","normalize","to_integral_value","to_integral_exact","__str__","__repr__",
    "to_eng_string","as_tuple","adjusted","number_class","is_normal","is_subnormal","is_signed","is_zero",
    "__bool__","__int__","__floor__","__ceil__","__round__","__float__","as_integer_ratio","logb",
    "next_plus","next_minus","copy_abs","copy_negate","sqrt","radix","is_canonical","canonical", "conjugate"]
from math import floor,ceil
def do(a,name,*more):
    c=getcontext(); c.clear_flags()
    try:
        r=getattr(a,name)(*more)
    except Exception as e:
        r=(type(e).__name__,str(e))
    print(a,name,*more,"->",repr(r),[k.__name__ for k in c.flags if c.flags[k]])
for i in range(60):
    c=Context(prec=[28,5,9,1,3,50][rnd(6)],rounding=rounds[rnd(8)],Emin=[-999999,-9,-20][rnd(3)],
        Emax=[999999,9,20][rnd(3)],capitals=rnd(2),clamp=rnd(2), traps=[[],[InvalidOperation,DivisionByZero,
        Overflow]][rnd(2)])
    setcontext(c)
    print(c)
    for j in range(10):
        a,b=num(),num()
        n=two[rnd(len(two))]
        do(a,n,b)
    for j in range(10):
        a=num()
        n=one[rnd(len(one))]
        do(a,n)
    do(num(),"__round__",rnd(20)-8)
    do(num(),"fma",num(),num())
    do(num(),"__pow__",D(rnd(30)-10))
""")


_NUMBERS = st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(-(10**6), 10**6, places=3)

_PROPERTIES = """
from decimal import *
getcontext().traps[InvalidOperation] = getcontext().traps[DivisionByZero] = False
for a, b, prec, way in CASES:
    a, b = Decimal(a), Decimal(b)
    with localcontext(prec=prec, rounding=way) as context:
        print(a + b, a - b, a * b, a / b, a < b, a == b, a.compare(b), max(a, b), -a, abs(b), +a)
        print(divmod(a, b), a % b, a.quantize(Decimal("0.01")), a.normalize(), a.to_integral_value(),
            abs(a).sqrt())
        print(f"{a:.3f} {b:,.2f} {a:e} {b:.4g}", hash(a) == hash(b), a.fma(b, 1), a.next_plus(),
            b.remainder_near(a))
        print([signal.__name__ for signal in context.flags if context.flags[signal]])
"""
_WAYS = [
    "ROUND_CEILING",
    "ROUND_FLOOR",
    "ROUND_UP",
    "ROUND_DOWN",
    "ROUND_HALF_UP",
    "ROUND_HALF_DOWN",
    "ROUND_HALF_EVEN",
]


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(
    st.lists(
        st.tuples(_NUMBERS.map(str), _NUMBERS.map(str), st.integers(1, 40), st.sampled_from(_WAYS)),
        max_size=25,
    )
)
def test_arithmetic(same: Same, cases: list[tuple[str, str, int, str]]) -> None:
    same(_PROPERTIES.replace("CASES", repr(cases)))
