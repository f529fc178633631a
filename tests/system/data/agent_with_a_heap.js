// An agent as far as memory goes: a heap of live objects of HEAP_MB megabytes, and an answer to every key.
// "sum" is printed when all of them are still what they were.
const wanted = Number(process.argv[2]) * 1048576;
const heap = [];
let seed = 1;
while (process.memoryUsage().heapUsed < wanted) {
  for (let i = 0; i < 10000; i++) {
    seed = (seed * 48271) % 2147483647;
    heap.push({ number: seed, name: 'item ' + seed, role: 'tool', list: [seed, i, seed ^ i] });
  }
}
function sum() {
  let total = 0;
  for (const item of heap) {
    total = (total + item.number + item.name.length + item.list[2]) % 1000000007;
  }
  return total;
}
const right = sum();
if (process.argv[3] === 'child') {
  require('child_process').spawn('sleep', ['3600'], { stdio: 'ignore' });
}
process.stdin.setRawMode(true);
process.stdin.on('data', (keys) => {
  process.stdout.write(sum() === right ? `sum of ${keys}: ${right}\r\n` : 'the data is broken\r\n');
});
process.stdout.write(`ready with ${heap.length}\r\n`);
