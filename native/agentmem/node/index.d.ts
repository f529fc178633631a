/** One copy of what many AI agents hold. See README.md. */

export type UnitType = 'CONVERSATION' | 'SYSTEM_PROMPT' | 'TOOL_DEF' | 'TOOL_RESULT' | 'KV_PAGE'
export const TYPES: Readonly<Record<UnitType, number>>

export interface Content {
  type: UnitType
  /** Text is stored as UTF-8. */
  data: string | Uint8Array
  /** Checked against data when given: its characters or its bytes. */
  size?: number
  /** In this agent's own space (true) or the realm's (false); by itself the realm's, but for CONVERSATION. */
  private?: boolean
}

export interface Options {
  /** Default: $NEXUS_AGENTMEM, else run/agentmem.sock in $NEXUS_HOME. */
  socket?: string
  /** A domain of trust, by custom the project's folder. Default: "default". */
  realm?: string
  agent?: string
  /** 0 to 100. */
  importance?: number
  /** What this agent owns outlives the connection. */
  durable?: boolean
  /** Milliseconds for each answer of the broker. */
  timeout?: number
}

/** Errors carry a `code`: AM_ENOTFOUND, AM_EBROKER, AM_EQUOTA and so on, as agentmem.h names them. */
export class Unit {
  private constructor ()
  /** 32 bytes. */
  readonly id: Buffer
  readonly type: UnitType
  /** Bytes. */
  readonly length: number
  /** Whether the content was stored before. */
  readonly existed: boolean
  readonly released: boolean
  /** Not copied from 16 KiB on; writing to it changes this buffer alone. Stays valid after release() and close(). */
  readonly buffer: Buffer
  /** Throws a TypeError when "utf8" is asked for and the bytes are none. */
  string (encoding?: 'utf8' | 'latin1'): string
  toString (): string
  release (): void
}

export class Store {
  constructor (options?: Options)
  alloc (content: Content): Unit
  acquire (id: Uint8Array): Unit
  identify (content: Content): Buffer
  own (id: Uint8Array): void
  disown (id: Uint8Array): void
  stats (): Record<string, unknown>
  reconnect (): void
  close (): void
}

export function connect (options?: Options): Store
export function alloc (content: Content): Unit
export function acquire (id: Uint8Array): Unit
export function identify (content: Content): Buffer
/** Close the store that alloc, acquire and identify share. */
export function close (): void
