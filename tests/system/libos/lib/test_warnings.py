def test_filters_and_records(same):
    same("""
import warnings
with warnings.catch_warnings(record=True) as got:
    warnings.simplefilter("always")
    warnings.warn("one")
    warnings.warn("two", DeprecationWarning)
    warnings.warn(FutureWarning("three"))
print([(str(w.message), w.category.__name__) for w in got], len(got), got[0].category is UserWarning)
with warnings.catch_warnings():
    warnings.simplefilter("error")
    try: warnings.warn("stop", RuntimeWarning)
    except RuntimeWarning as error: print("raised", error)
with warnings.catch_warnings(record=True) as got:
    warnings.simplefilter("always")
    warnings.filterwarnings("ignore", message="quiet")
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.warn("quiet please"); warnings.warn("loud"); warnings.warn("later", FutureWarning)
print([str(w.message) for w in got])
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    warnings.warn("nothing")
for bad in (int, 3):
    try: warnings.warn("x", bad)
    except TypeError as error: print("TypeError")
try: warnings.simplefilter("nope")
except AssertionError as error: print(error)
print(warnings.formatwarning("m", UserWarning, "f.py", 3, ""))
""")
