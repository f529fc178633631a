def test_namespaces_and_kinds(same):
    same("""
import types
n = types.SimpleNamespace(a=1, b="x")
n.c = [1]
print(n, n == types.SimpleNamespace(a=1, b="x", c=[1]), n == 3, types.SimpleNamespace(), n.__dict__)
def f(): pass
def g(): yield
print(isinstance(f, types.FunctionType), isinstance(lambda: 0, types.LambdaType), isinstance(g(), types.GeneratorType), isinstance(3, types.FunctionType))
p = types.MappingProxyType({"a": 1})
print(p, p["a"], "a" in p, len(p), list(p), p.get("z", 4), p == {"a": 1}, dict(p.items()))
try: p["b"] = 2
except TypeError as error: print(error)
print(isinstance(None, types.NoneType), types.ModuleType("m").__name__)
""")
