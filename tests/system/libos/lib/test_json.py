"""The guests' json against CPython's."""


def test_dumps(same):
    same(r"""
import json
print(json.dumps({"b":1,"a":[1,2.5,None,True,"é\n\x01\x7f😀"],"n":{}, "l":[]}))
print(json.dumps({"b":1,"a":[1,{"x":2}],"n":{}, "l":[]}, indent=2, sort_keys=True))
print(json.dumps([1,2], separators=(",",":")), json.dumps("é", ensure_ascii=False))
print(json.dumps({1:2, None:3, True:4, 2.5:1}))
print(json.dumps(float("nan")), json.dumps([float("inf")]), json.dumps((1,2)))
print(json.dumps({"a":{"b":[]}}, indent="\t"))
""")


def test_errors_say_where(same):
    same(r"""
import json
for bad in ['{"a": 1,}', '[1,,2]', '{"a" 1}', '', 'nul', '{"a": tru}', '[1 2]', '"abc', '{a:1}', '1 2', '"\\x"', '[1,', '{"a":', '-', '01', '"\n"', "{'a':1}", '["\\ud83d\\ude00", "\\u00e9"', '\n\n  {"k": é}']:
    try: print(json.loads(bad))
    except json.JSONDecodeError as e: print(e.msg, e.pos, e.lineno, e.colno, str(e))
""")


def test_loads(same):
    same(r"""
import json
print(json.loads('{"a": [1, 2.5, -3e2, true, false, null, "x\\ud83d\\ude00\\u00e9\\n"], "b": {"c": {}}}'))
print(json.loads('[NaN, Infinity, -Infinity, 1E5, 12345678901234567890]'), json.loads(' 5 '))
print(json.loads(b'"x"'))
print(json.loads('{"a":1}', object_hook=lambda d: list(d.items())))
print(json.loads('{"a":1,"b":2}', object_pairs_hook=lambda p: p), json.loads("1.5", parse_float=str))
""")


def test_encoders_and_files(same):
    same("""
import json
class E(json.JSONEncoder):
    def default(self, o):
        if isinstance(o, set): return sorted(o)
        return super().default(o)
print(json.dumps({"s": {3,1,2}}, cls=E))
print(json.dumps({1}, default=list))
try: json.dumps(object)
except TypeError as e: print(e)
try: json.dumps({(1,2):3})
except TypeError as e: print(e)
a=[]
a.append(a)
try: json.dumps(a)
except ValueError as e: print(e)
import io
f=io.StringIO()
json.dump([1],f)
print(f.getvalue())
f.seek(0)
print(json.load(f))
""")
