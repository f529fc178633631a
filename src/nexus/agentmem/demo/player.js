'use strict'
/* One process of the demo that plays several agents, in Node. Takes the same orders as player.py, see there.
 *
 *     node --expose-gc player.js PACKAGE SOCKET TEXTS REALM
 *
 * PACKAGE is the folder of @nexusos/agentmem. A talk is a list of units here, in the order of the script. Invariant: what
 * it says is equal was compared byte by byte with the file of texts.
 */
const fs = require('node:fs')
const readline = require('node:readline')

const [packageFolder, socket, textsPath, realm] = process.argv.slice(2)
const agentmem = require(packageFolder)
const NAMES = Object.fromEntries(Object.entries(agentmem.TYPES).map(([name, number]) => [number, name]))
const texts = fs.openSync(textsPath, 'r')
const ROUND = 8 // blocks that an agent plays before the next one has its turn
const MOST_WRONG = 20

const agents = []

function say (answer) {
  const line = Buffer.from(JSON.stringify(answer) + '\n')
  for (let at = 0; at < line.length;) at += fs.writeSync(1, line, at)
}

function read (offset, length) {
  const data = Buffer.allocUnsafe(length)
  if (fs.readSync(texts, data, 0, length, offset) !== length) throw new Error(`${length} bytes are not at ${offset}`)
  return data
}

function play (scripts) {
  for (const file of scripts) {
    const script = JSON.parse(fs.readFileSync(file, 'utf8'))
    const store = agentmem.connect({ socket, realm, agent: script.agent, timeout: 120000 })
    agents.push({ script, store, held: [], talk: [] })
  }
  const shared = new Map()
  const longest = Math.max(0, ...agents.map((agent) => agent.script.blocks.length))
  for (let first = 0; first < longest; first += ROUND) {
    let done = 0
    for (const agent of agents) {
      for (const [number, offset, length, talk] of agent.script.blocks.slice(first, first + ROUND)) {
        const type = NAMES[number]
        const unit = agent.store.alloc({ type, data: read(offset, length) })
        if (type !== 'CONVERSATION') shared.set(unit.id.toString('hex'), [number, offset, length])
        if (talk) {
          agent.talk.push({ id: unit.id, offset, length })
          unit.release()
        } else {
          agent.held.push(unit)
        }
        done += length
      }
    }
    say({ progress: done })
  }
  return { shared: [...shared].map(([id, row]) => [id, ...row]) }
}

function check (others) {
  const found = { units: 0, bytes: 0, different: 0, wrong: [] }
  const compare = (store, id, offset, length, whose) => {
    const unit = store.acquire(id)
    found.units++
    found.bytes += unit.length
    if (!read(offset, length).equals(unit.buffer)) {
      found.different++
      const name = id.toString('hex').slice(0, 16)
      if (found.wrong.length < MOST_WRONG) found.wrong.push(`${whose}: unit ${name} of ${length} bytes has others`)
    }
    unit.release()
  }
  for (const { script, store, talk } of agents) {
    const before = found.bytes
    for (const { id, offset, length } of talk) compare(store, id, offset, length, script.agent)
    say({ progress: found.bytes - before })
  }
  for (const [id, , offset, length] of others) compare(agents[0].store, Buffer.from(id, 'hex'), offset, length, 'shared')
  return found
}

/* A buffer keeps its reference until it is collected: collect now, so that nothing is held while nobody works. */
async function release () {
  for (const agent of agents) {
    for (const unit of agent.held) unit.release()
    agent.held = []
  }
  for (let n = 0; n < 3; n++) {
    global.gc()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return others()
}

/* The addon cannot set an agent's state: the demo does it. */
function others () {
  return { others: agents.map((agent) => agent.script.agent) }
}

/* A request to the broker tells the client which segments have gone. */
function rest () {
  for (const { store, talk } of agents) if (talk.length > 0) store.own(talk[0].id)
  return {}
}

async function obey (order) {
  if (order.do === 'play') return play(order.scripts)
  if (order.do === 'check') return check(order.others)
  if (order.do === 'pause') return release()
  if (order.do === 'resume') return others()
  if (order.do === 'rest') return rest()
  return { error: `no such order: ${order.do}` }
}

async function main () {
  // The demo's end is the end of this: nothing outlives it.
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const order = JSON.parse(line)
    let answer
    try {
      answer = await obey(order)
    } catch (error) {
      answer = { error: `${error.name}: ${error.message}` }
    }
    say({ done: order.do, ...answer })
  }
  process.exit(0)
}

main()
