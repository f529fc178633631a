def test_parsing_and_errors(same):
    same("""
import argparse, sys, io
p = argparse.ArgumentParser(prog="tool", description="Does it.")
p.add_argument("src", help="the source")
p.add_argument("more", nargs="*", type=int)
p.add_argument("-n", "--count", type=int, default=3, help="how many (default: %(default)s)")
p.add_argument("--mode", choices=["a", "b"])
p.add_argument("-v", "--verbose", action="store_true")
p.add_argument("--tag", action="append")
p.add_argument("--pair", nargs=2, metavar="P")
p.add_argument("-d", action="count", default=0)
for args in (["x"], ["x", "1", "2", "-n", "5", "-v"], ["x", "--count=7", "--tag", "a", "--tag", "b"], ["-n4", "x", "-dd", "--pair", "p", "q"], ["--mode", "b", "--", "x"]):
    a = p.parse_args(args); print(sorted(vars(a).items()))
for args in ([], ["x", "-n", "z"], ["x", "--mode", "c"], ["x", "--nope"], ["x", "-n"], ["x", "--pair", "1"], ["x", "y"]):
    old, sys.stderr = sys.stderr, io.StringIO()
    try: p.parse_args(args)
    except SystemExit as stop: print(stop.code if hasattr(stop, "code") else stop.args[0], sys.stderr.getvalue().split("error: ")[1])
    finally: sys.stderr = old
q = argparse.ArgumentParser(prog="q", description="Text.", epilog="End.")
q.add_argument("file", help="a file"); q.add_argument("-o", "--out", required=True, help="where")
q.print_help()
print(argparse.Namespace(a=1), q.parse_known_args(["f", "-o", "1", "--zz"]))
""")
