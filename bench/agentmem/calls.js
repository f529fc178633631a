'use strict'
// What an acquire costs in Node. Run by bench/agentmem_calls.py: node calls.js UNITS ROUNDS
const agentmem = require('../../native/agentmem/node')

const [units, rounds] = process.argv.slice(2).map(Number)
const store = agentmem.connect({ agent: 'bench-node' })
const ids = []
for (let n = 0; n < units; n++) {
  const unit = store.alloc({ type: 'TOOL_DEF', data: `content ${n} `.repeat(80) })
  ids.push(unit.id)
  unit.release()
}
// Units are asked for in another order than they were stored in; the names lie in the order of asking.
const order = ids.map((_, n) => Buffer.from(ids[(n * 7919) % units]))
const BATCH = 5000
const cpu = []
const wall = []
let at = 0
for (let round = 0; round < rounds + 5; round++) {
  const before = process.cpuUsage()
  const started = process.hrtime.bigint()
  for (let n = 0; n < BATCH; n++) store.acquire(order[at++ % units]).release()
  const used = process.cpuUsage(before)
  if (round >= 5) { // the first are spent compiling
    wall.push(Number(process.hrtime.bigint() - started) / BATCH)
    cpu.push((used.user + used.system) * 1000 / BATCH)
  }
}
console.log(JSON.stringify({ cpu, wall }))
