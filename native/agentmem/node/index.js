'use strict'
/* Store and Unit for Node, over the addon's functions.
 *
 * A Unit is a slot's number; its connection's functions do the rest. Invariant: a reference is given back once:
 * by release(), by the store's close(), or when the garbage collector finds the Unit gone.
 */
const fs = require('node:fs')
const path = require('node:path')

const TYPES = { CONVERSATION: 1, SYSTEM_PROMPT: 2, TOOL_DEF: 3, TOOL_RESULT: 4, KV_PAGE: 5 }
const NAMES = Object.fromEntries(Object.entries(TYPES).map(([name, number]) => [number, name]))
const PRIVATE = 1
const SHARED = 2

function loadAddon () {
  const named = process.env.NEXUS_AGENTMEM_ADDON
  const places = named ? [path.resolve(named)] : [path.join(__dirname, 'build', 'Release', 'agentmem.node')]
  for (const place of places) if (fs.existsSync(place)) return require(place)
  throw new Error(`the addon is not built: ${places.join(', ')} is missing; run: npx node-gyp rebuild`)
}
const addon = loadAddon()

// What is registered is the box, not the Unit: release() empties it, and the collector then has nothing to do.
const collected = new FinalizationRegistry((box) => {
  if (box.slot !== 0) box.native.release(box.slot)
  box.slot = 0
})

class Box {
  constructor (native, slot) {
    this.native = native
    this.slot = slot
  }
}

/** A reference to content in the store. Give it back with release(), or leave it to the garbage collector. */
class Unit {
  #box
  constructor (native, slot) {
    this.#box = new Box(native, slot)
    collected.register(this, this.#box)
  }

  get id () { return this.#box.native.id(this.#box.slot) }
  get type () { return NAMES[this.#box.native.type(this.#box.slot)] }
  get length () { return this.#box.native.length(this.#box.slot) }
  get existed () { return this.#box.native.existed(this.#box.slot) }
  get released () { return this.#box.slot === 0 }

  /** The bytes, not copied from 16 KiB on. Writing to them changes this buffer alone. */
  get buffer () { return this.#box.native.buffer(this.#box.slot) }

  /** The bytes as text. ASCII, and latin1 when asked for, lie outside V8's heap from 16 KiB on. */
  string (encoding = 'utf8') {
    const { native, slot } = this.#box
    if (encoding !== 'utf8' && encoding !== 'latin1') {
      throw new RangeError(`no encoding ${encoding}; "utf8" and "latin1" are there`)
    }
    if (encoding === 'latin1' || native.isAscii(slot)) return native.latin1(slot)
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(native.buffer(slot))
  }

  toString () { return this.string() }

  release () {
    if (this.#box.slot === 0) return
    this.#box.native.release(this.#box.slot)
    this.#box.slot = 0
  }

  [Symbol.dispose ?? Symbol.for('nodejs.dispose')] () { this.release() }
}

function typeNumber (type) {
  const number = TYPES[type]
  if (number === undefined) {
    throw new RangeError(`${type} is not a type of unit; ${Object.keys(TYPES).join(', ')} are`)
  }
  return number
}

function bytesOf (data, size) {
  const bytes = typeof data === 'string' ? Buffer.from(data, 'utf8') : data
  if (!(bytes instanceof Uint8Array)) throw new TypeError('data is a string, a Buffer or a Uint8Array')
  if (size !== undefined && size !== data.length && size !== bytes.length) {
    throw new RangeError(`size is ${size}, and data has ${data.length} characters, ${bytes.length} bytes`)
  }
  return bytes
}

/** One agent's connection to the units of one realm; see connect. */
class Store {
  #native
  constructor (options = {}) { this.#native = addon.connect(options) }

  /** Store content, or find it stored. */
  alloc ({ type, data, size, private: own }) {
    const flags = own === undefined ? 0 : own ? PRIVATE : SHARED
    return new Unit(this.#native, this.#native.publish(typeNumber(type), bytesOf(data, size), flags))
  }

  /** A reference to a known unit by its 32 bytes of id. */
  acquire (id) { return new Unit(this.#native, this.#native.acquire(id)) }

  /** The id that this content has here, stored or not. */
  identify ({ type, data, size, private: own = type === 'CONVERSATION' }) {
    return this.#native.identify(typeNumber(type), bytesOf(data, size), own)
  }

  own (id) { this.#native.own(id) }
  disown (id) { this.#native.disown(id) }
  stats () { return JSON.parse(this.#native.stats()) }
  reconnect () { this.#native.reconnect() }
  close () { this.#native.close() }
}

let common // the store of alloc and acquire, made on first use
function commonStore () { return (common ??= new Store()) }

module.exports = {
  TYPES,
  Store,
  Unit,
  /** Attach to the broker; the options are all optional. */
  connect: (options) => new Store(options),
  alloc: (what) => commonStore().alloc(what),
  acquire: (id) => commonStore().acquire(id),
  identify: (what) => commonStore().identify(what),
  close: () => { common?.close(); common = undefined }
}
