import { subscribe } from 'node:diagnostics_channel'
import {
  AbortedError,
  type AcceptErrorEvent,
  type AcceptedEvent,
  type DroppedEvent,
  type DropReason,
  type EndEvent,
  type ErrorEvent,
  FrameRequest,
  type HandshakeEvent,
  type RefusalReason,
  type RefusedEvent,
  type RequestServer,
  type StartEvent,
  type UndeliveredEvent
} from 'it-socketserver'
import { intended } from '../handlers/soak-stream.ts'

/** What the events of a server have told */
export interface Counts {
  accepted: number
  refused: Partial<Record<RefusalReason, number>>
  dropped: Partial<Record<DropReason, number>>
  handshakes: number
  acceptErrors: number
  undelivered: number
  /** Of connections, datagrams: what the server hands out */
  starts: number
  ends: number
  /** Of messages on a connection */
  frameStarts: number
  frameEnds: number
  fulfilled: number
  unfulfilled: number
  frameFulfilled: number
  frameUnfulfilled: number
  /** Why requests were cut off, by cause */
  aborted: Record<string, number>
}

const keptComplaints = 20

/** Counts the events of one server, and keeps what is wrong with them */
export class Ledger {
  readonly counts: Counts = {
    accepted: 0,
    refused: {},
    dropped: {},
    handshakes: 0,
    acceptErrors: 0,
    undelivered: 0,
    starts: 0,
    ends: 0,
    frameStarts: 0,
    frameEnds: 0,
    fulfilled: 0,
    unfulfilled: 0,
    frameFulfilled: 0,
    frameUnfulfilled: 0,
    aborted: {}
  }
  readonly complaints: string[] = []

  complain(text: string): void {
    if (this.complaints.length < keptComplaints && !this.complaints.includes(text)) this.complaints.push(text)
  }

  /** Whether every start has its end */
  get isEven(): boolean {
    const { starts, ends, frameStarts, frameEnds } = this.counts
    return starts === ends && frameStarts === frameEnds
  }

  ended({ outcome }: EndEvent): void {
    const { counts } = this
    const well = outcome.status === 'fulfilled'
    if (outcome.request instanceof FrameRequest) {
      counts.frameEnds++
      if (well) counts.frameFulfilled++
      else counts.frameUnfulfilled++
    } else {
      counts.ends++
      if (well) counts.fulfilled++
      else counts.unfulfilled++
    }
    if (!well && outcome.reason instanceof AbortedError) add(counts.aborted, outcome.reason.cause)
    if (counts.ends > counts.starts || counts.frameEnds > counts.frameStarts)
      this.complain('An end came without a start')
  }

  /** An error that nobody has meant to happen is a complaint */
  failed({ error }: ErrorEvent): void {
    if (error instanceof AbortedError || isIntended(error)) return
    this.complain(`Unexpected error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  }
}

function isIntended(error: unknown): boolean {
  return error instanceof Error && error.message === intended
}

function add(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1
}

const ledgers = new WeakMap<RequestServer, Ledger>()

/** Begins to count what a server tells */
export function openLedger(server: RequestServer): Ledger {
  const ledger = new Ledger()
  ledgers.set(server, ledger)
  return ledger
}

function listen<E extends { readonly server: RequestServer }>(
  name: string,
  count: (ledger: Ledger, event: E) => void
): void {
  subscribe(`it-socketserver:${name}`, (message) => {
    const event = message as E
    const ledger = ledgers.get(event.server)
    if (ledger !== undefined) count(ledger, event)
  })
}

listen<AcceptedEvent>('accepted', ({ counts }) => counts.accepted++)
listen<RefusedEvent>('refused', ({ counts }, { reason }) => add(counts.refused, reason))
listen<DroppedEvent>('dropped', ({ counts }, { reason }) => add(counts.dropped, reason))
listen<HandshakeEvent>('handshake', ({ counts }) => counts.handshakes++)
listen<AcceptErrorEvent>('accept-error', ({ counts }) => counts.acceptErrors++)
listen<UndeliveredEvent>('undelivered', ({ counts }) => counts.undelivered++)
listen<StartEvent>('start', ({ counts }, { request }) => {
  if (request instanceof FrameRequest) counts.frameStarts++
  else counts.starts++
})
listen<EndEvent>('end', (ledger, event) => ledger.ended(event))
listen<ErrorEvent>('error', (ledger, event) => ledger.failed(event))
