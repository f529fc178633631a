def test_what_is_alive_is_found(same):
    same("""
import weakref
class C: pass
c = C()
r = weakref.ref(c); d = weakref.WeakValueDictionary(); d["k"] = c
print(r() is c, d["k"] is c, "z" in d, len(d))
""")
