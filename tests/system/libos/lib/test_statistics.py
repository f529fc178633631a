"""The guests' statistics against CPython's: equal to the last digit."""


def test_statistics(same):
    same("""
from statistics import *
for d in ([1,2,3,4],[1,2,3,4,5],[1.5,2.5,3.25,7.1],[0.1,0.2,0.3],[1e10,1e-10,3],[2,4,4,4,5,5,7,9],[10,20],[1e16,1.0,-1e16, 3.3]):
    print(mean(d), fmean(d), median(d), median_low(d), median_high(d), stdev(d), pstdev(d), variance(d), pvariance(d), quantiles(d), quantiles(d,n=10,method="inclusive"), harmonic_mean([abs(x) for x in d]), geometric_mean([abs(x) for x in d]))
print(mode("aabbb"), mode([1,1,2,2]), multimode("aabb"), multimode([]), median_grouped([1,3,3,5,7]))
print(correlation([1,2,3],[2,4,7]), linear_regression([1,2,3],[2,4,7]), covariance([1,2,3],[1,5,7]))
for f in (lambda: mean([]), lambda: stdev([1]), lambda: median([]), lambda: mode([]), lambda: correlation([1,1],[1,2]), lambda: variance([1])):
    try: f()
    except StatisticsError as e: print(e)
""")
