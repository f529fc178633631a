def test_orders_as_cpython_does(same):
    same("""
import heapq
seed = 7
for size in list(range(12)) + [60]:
    values = []
    for i in range(size):
        seed = (seed * 1103515245 + 12345) % 2147483648
        values.append(seed % 20)
    heap = values[:]
    heapq.heapify(heap)
    print(heap, heapq.nlargest(3, values), heapq.nsmallest(3, values, key=lambda v: -v), heapq.nsmallest(0, values))
    if heap:
        print(heapq.heapreplace(heap, 8), heapq.heappushpop(heap, 5), heap)
        heapq.heappush(heap, 3)
        print(heap, [heapq.heappop(heap) for _ in range(len(heap))])
print(list(heapq.merge([1, 4, 9], [2, 4], [], [3])), list(heapq.merge([9, 1], [5], reverse=True)), list(heapq.merge("ac", "B", key=str.lower)))
pairs = [(1, "b"), (1, "a"), (0, "z")]
print(heapq.nlargest(2, pairs, key=lambda p: p[0]), heapq.heappushpop([], 4))
many = [(i * 7 % 5, i) for i in range(60)]
print(heapq.nlargest(20, many, key=lambda p: p[0]), heapq.nsmallest(20, many, key=lambda p: p[0]))
try: heapq.heappop([])
except IndexError as error: print(error)
""")
