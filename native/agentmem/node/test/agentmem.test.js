'use strict'
// Run by tests/unit/agentmem/test_node.py, which starts a broker and says where the addon is.
const assert = require('node:assert/strict')
const { spawnSync } = require('node:child_process')
const path = require('node:path')
const test = require('node:test')

const agentmem = require('..')
const text = 'You are a careful engineer. '.repeat(4000)

async function collectUntil (condition) {
  for (let n = 0; n < 2000; n++) {
    global.gc()
    await new Promise((resolve) => setTimeout(resolve, 5))
    if (condition()) return true
  }
  return false
}

test("the seed's example works as it is written there", () => {
  const systemPromptSMU = agentmem.alloc({ type: 'SYSTEM_PROMPT', data: text, size: text.length })
  const conversation = JSON.stringify([{ role: 'user', content: 'grüß Gott' }])
  const conversationSMU = agentmem.alloc({ type: 'CONVERSATION', data: conversation, size: conversation.length })
  assert.equal(systemPromptSMU.string(), text)
  assert.equal(conversationSMU.string(), conversation)
  assert.deepEqual([systemPromptSMU.type, conversationSMU.type], ['SYSTEM_PROMPT', 'CONVERSATION'])
  assert.equal(agentmem.acquire(systemPromptSMU.id).string(), text)
})

test('another agent finds what was stored, and reads the same bytes', () => {
  const one = agentmem.connect({ agent: 'one' })
  const two = agentmem.connect({ agent: 'two' })
  for (const size of [0, 1, 16383, 16384, 65536, 65537, 3000000]) {
    const data = Buffer.alloc(size, `${size} `)
    const unit = one.alloc({ type: 'TOOL_RESULT', data })
    const found = two.alloc({ type: 'TOOL_RESULT', data })
    assert.deepEqual([unit.existed, found.existed, found.length], [false, true, size])
    assert.ok(unit.id.equals(found.id) && unit.id.equals(two.identify({ type: 'TOOL_RESULT', data })))
    assert.ok(two.acquire(unit.id).buffer.equals(data))
  }
  one.close()
  two.close()
})

test('a write to a buffer is seen by nobody else and ends nothing', () => {
  const store = agentmem.connect({ agent: 'writer' })
  for (const size of [50000, 3000000]) {
    const unit = store.alloc({ type: 'TOOL_RESULT', data: Buffer.alloc(size, 'a') })
    const neighbour = store.alloc({ type: 'TOOL_RESULT', data: Buffer.alloc(size, 'b') })
    const mine = unit.buffer
    mine.fill('x')
    assert.equal(unit.buffer.toString('latin1', 0, 3), 'aaa')
    assert.equal(unit.string().slice(-3), 'aaa')
    assert.equal(neighbour.buffer.toString('latin1', 0, 3), 'bbb')
    assert.equal(mine.toString('latin1', size - 3), 'xxx')
  }
  store.close()
})

test('buffers and strings outlive release and close', () => {
  const store = agentmem.connect({ agent: 'leaver' })
  const unit = store.alloc({ type: 'SYSTEM_PROMPT', data: text })
  const { buffer } = unit
  const string = unit.string()
  unit.release()
  unit.release()
  assert.ok(unit.released)
  assert.throws(() => unit.buffer, { code: 'AM_EINVAL' })
  store.close()
  store.close()
  assert.throws(() => store.acquire(Buffer.alloc(32)), { code: 'AM_EBROKER' })
  assert.equal(buffer.toString(), text)
  assert.equal(string, text)
  assert.equal(`${string}!`.length, text.length + 1)
})

test('a large text lies outside the heap', () => {
  const store = agentmem.connect({ agent: 'heap' })
  const unit = store.alloc({ type: 'SYSTEM_PROMPT', data: Buffer.alloc(20e6, 'text ') })
  const before = process.memoryUsage().heapUsed
  const string = unit.string()
  assert.equal(string.length, 20e6)
  assert.equal(string.slice(10e6, 10e6 + 5), 'text ')
  assert.ok(process.memoryUsage().heapUsed - before < 5e6)
  store.close()
})

test('text that is no ASCII is decoded, and what is no text is refused', () => {
  const store = agentmem.connect({ agent: 'decoder' })
  const german = 'Größe: übel '.repeat(3000)
  const unit = store.alloc({ type: 'TOOL_RESULT', data: german })
  assert.equal(unit.string(), german)
  assert.equal(unit.string('latin1'), Buffer.from(german).toString('latin1'))
  assert.throws(() => store.alloc({ type: 'TOOL_RESULT', data: Buffer.from([0xff, 0xfe]) }).string(), TypeError)
  assert.throws(() => unit.string('utf16'), RangeError)
  store.close()
})

test('what is not released is given back when it is collected', async () => {
  const store = agentmem.connect({ agent: 'collected' })
  const watcher = agentmem.connect({ agent: 'watcher' })
  const { id } = store.alloc({ type: 'TOOL_RESULT', data: Buffer.alloc(100000, 'garbage') });
  (() => {
    for (let n = 0; n < 500; n++) store.acquire(id).length
    for (let n = 0; n < 20; n++) store.acquire(id).buffer
  })()
  store.disown(id)
  // Nobody owns it, and once nobody refers to it, it is freed: then it cannot be acquired.
  const gone = await collectUntil(() => {
    try { watcher.acquire(id).release(); return false } catch (error) { return error.code === 'AM_ENOTFOUND' }
  })
  assert.ok(gone, 'references were not given back')
  store.close()
  watcher.close()
})

test('what cannot be is refused by name', () => {
  const store = agentmem.connect({ agent: 'refused' })
  assert.throws(() => store.acquire(Buffer.alloc(32)), { code: 'AM_ENOTFOUND' })
  assert.throws(() => store.acquire(Buffer.alloc(31)), { code: 'AM_EINVAL' })
  assert.throws(() => store.acquire('x'), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => store.alloc({ type: 'PROMPT', data: 'x' }), RangeError)
  assert.throws(() => store.alloc({ type: 'TOOL_DEF', data: 7 }), TypeError)
  assert.throws(() => store.alloc({ type: 'TOOL_DEF', data: 'four', size: 5 }), RangeError)
  assert.throws(() => agentmem.connect({ socket: '/nowhere/agentmem.sock' }), { code: 'AM_EBROKER' })
  assert.throws(() => agentmem.connect({ importance: 101 }), { code: 'AM_EINVAL' })
  store.reconnect()
  assert.equal(store.alloc({ type: 'TOOL_DEF', data: 'it goes on' }).string(), 'it goes on')
  assert.ok(store.stats().store.units > 0)
  store.close()
})

test('a process that leaves everything open ends well, and so does a worker', () => {
  const script = `
    const { Worker, isMainThread } = require('node:worker_threads')
    const agentmem = require(${JSON.stringify(path.join(__dirname, '..'))})
    const unit = agentmem.alloc({ type: 'SYSTEM_PROMPT', data: 'left open '.repeat(5000) })
    globalThis.kept = [unit, unit.buffer, unit.string()]
    if (isMainThread) new Worker(__filename).on('exit', (code) => console.log('worker', code))`
  const file = path.join(process.env.NEXUS_AGENTMEM_SCRATCH, 'left.js')
  require('node:fs').writeFileSync(file, script)
  const done = spawnSync(process.execPath, [file], { encoding: 'utf8' })
  assert.deepEqual([done.status, done.signal, done.stdout, done.stderr], [0, null, 'worker 0\n', ''])
})
