import type { Address, Stats } from 'it-socketserver'
import type { Counts } from './ledger.ts'
import type { Sample } from './sample.ts'
import type { Subject } from './subject.ts'

export interface Certificate {
  readonly key: string
  readonly cert: string
}

/** What the process of a server is told, and what it answers */
export interface Orders {
  deploy: [
    {
      subject: Subject
      path: string
      certificate: Certificate
      limit?: number
      /** 0 is the server's own default */
      maxConnections?: number
    },
    { id: number; address: Address }
  ]
  close: [{ id: number; deadline: number }, Closed]
  suspend: [{ id: number }, undefined]
  resume: [{ id: number }, undefined]
  limits: [{ id: number; limits: Record<string, number | null> }, undefined]
  turnAway: [{ id: number; everybody: boolean }, undefined]
  /** Answers with whether there was one that was ready */
  kill: [{ mode: 'threads' | 'forked'; at: number }, boolean]
  sample: [undefined, Sample]
  /** Which share of a core the process takes while nobody asks it for anything */
  cpu: [{ milliseconds: number }, number]
  complaints: [undefined, string[]]
}

/** What is left of a server that has closed */
export interface Closed {
  readonly stats: Stats & { readonly open: number; readonly waiting: number }
  readonly counts: Counts
  /** Datagrams that the kernel had no room for */
  readonly lostInKernel: number
  readonly report: { finished: number; aborted: number; refused: number }
  /** What does not add up */
  readonly complaints: string[]
}

export type Order = keyof Orders
/** An order as it is sent; `Infinity` is no number of JSON, and travels as null */
export interface OrderMessage {
  readonly number: number
  readonly order: Order
  readonly details: unknown
}
export interface AnswerMessage {
  readonly number: number
  readonly answer?: unknown
  readonly error?: string
}
