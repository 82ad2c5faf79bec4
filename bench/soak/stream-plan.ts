import type { Payloads } from './payload.ts'
import type { Random } from './random.ts'
import { hasWorkers, type Subject } from './subject.ts'

/** How a client of connections behaves; the first ones do nothing wrong and must get all their bytes */
export type StreamManner =
  | 'at once'
  | 'in pieces'
  | 'turn by turn'
  | 'byte by byte'
  | 'stall'
  | 'late reader'
  | 'half-close'
  | 'reset'
  | 'early close'
  | 'silence'
  | 'throw'
  | 'hang'
  | 'exit'
  | 'no handshake'
  | 'wrong handshake'
  | 'broken handshake'

const honest: ReadonlySet<StreamManner> = new Set([
  'at once',
  'in pieces',
  'turn by turn',
  'byte by byte',
  'stall',
  'late reader',
  'half-close'
])

export interface StreamPlan {
  readonly manner: StreamManner
  readonly honest: boolean
  /** What is sent first, and is not echoed */
  readonly opening: Buffer
  readonly payload: Buffer
  /** Where the payload is cut in pieces: a piece is sent when the one before it has left, or its echo is there */
  readonly cuts: readonly number[]
  /** Milliseconds between two pieces */
  readonly pauses: number
  /** Milliseconds until it begins to read, or until a fault is committed */
  readonly delay: number
}

const empty = Buffer.alloc(0)

/** What the next client of a server does */
export function planStream(subject: Subject, random: Random, payloads: Payloads): StreamPlan {
  const manner = mannerOf(subject, random)
  const base = { manner, honest: honest.has(manner) }
  const framed = subject.mode === 'framed'
  const most = manner === 'late reader' ? 1_048_576 : 262_144
  const least = manner === 'late reader' ? 131_072 : 1
  const size = manner === 'byte by byte' ? random.integer(1, 40) : random.size(least, most)
  const payload = framed ? payloads.lines(random, size) : payloads.bytes(random, size)
  const delay = random.integer(50, manner === 'late reader' ? 800 : 300)
  const command = (word: string): Buffer => Buffer.from(framed ? `${word.slice(0, 1)}\n` : `${word}\n`)
  const echo = framed ? empty : command('echo')
  const nothing = { opening: empty, payload: empty, cuts: [], pauses: 0, delay }
  switch (manner) {
    case 'half-close':
    case 'no handshake':
    case 'broken handshake':
      return { ...base, ...nothing }
    case 'wrong handshake':
      return { ...base, ...nothing, opening: Buffer.from('GET / HTTP/1.1\r\n\r\n') }
    case 'throw':
    case 'hang':
    case 'exit':
      return { ...base, ...nothing, opening: command(manner === 'exit' ? 'exit' : manner) }
    case 'byte by byte':
      // Also of the command.
      return { ...base, opening: echo, payload, cuts: everyByte(Math.min(payload.length, 64)), pauses: 1, delay }
    case 'at once':
    case 'late reader':
      return { ...base, opening: echo, payload, cuts: [], pauses: 0, delay }
    default: {
      const places = Array.from({ length: random.integer(1, 6) }, () => random.integer(0, payload.length))
      // The echo of half a line comes with its other half.
      const whole = framed && manner === 'turn by turn'
      const cuts = places.map((at) => (whole ? payload.lastIndexOf(10, at) + 1 : at)).sort((a, b) => a - b)
      const pauses = manner === 'stall' ? random.integer(100, 500) : random.integer(0, 15)
      return { ...base, opening: echo, payload, cuts, pauses, delay }
    }
  }
}

/** One of many that come at once, and leave at once */
export function planBrief({ mode }: Subject, random: Random): StreamPlan {
  const manner = random.pick(['early close', 'reset', 'half-close'] as const)
  const opening = manner === 'half-close' || mode === 'framed' ? empty : Buffer.from('echo\n')
  return { manner, honest: honest.has(manner), opening, payload: empty, cuts: [0], pauses: 0, delay: 0 }
}

function everyByte(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}

function mannerOf(subject: Subject, random: Random): StreamManner {
  const alone = subject.mode === 'sequential'
  const tls = subject.transport === 'tls' ? 3 : 0
  return random.weighted<StreamManner>({
    'at once': 24,
    'in pieces': 16,
    'turn by turn': 16,
    'byte by byte': 6,
    // Who is served one at a time holds all others up.
    stall: alone ? 1 : 6,
    'late reader': alone ? 1 : 6,
    'half-close': 3,
    reset: 6,
    'early close': 6,
    silence: alone ? 0 : 1,
    throw: 4,
    hang: 3,
    exit: hasWorkers(subject) ? 1 : 0,
    'no handshake': tls / 6,
    'wrong handshake': tls,
    'broken handshake': tls
  })
}
