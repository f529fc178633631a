def test_texts_of_errors(same):
    same("""
import io, traceback
class Own(Exception): pass
for error in (ValueError("bad"), KeyError("k"), Own(), Own("x y"), ZeroDivisionError()):
    print(traceback.format_exception_only(error), traceback.format_exception_only(type(error), error))
try:
    1 / 0
except Exception as caught:
    lines = traceback.format_exc().splitlines()
    print(lines[0], lines[-1], traceback.format_exception(caught)[-1])
    out = io.StringIO()
    traceback.print_exc(file=out)
    print(out.getvalue().splitlines()[-1])
    out = io.StringIO()
    traceback.print_exception(type(caught), caught, None, file=out)
    print(out.getvalue().splitlines()[-1])
""")
