import { once } from 'node:events'
import fc from 'fast-check'
import { type RFile, type StreamRequest, UnexpectedEOFError, type WFile } from '../../lib/index.ts'
import { turns } from '../support/turns.ts'

/** What a handler does for one client: it sends so much unasked, and then back what came, as far as it goes. */
export interface HandlerPlan {
  /** Bytes that it sends unasked. */
  readonly burst: number
  /** How it reads. */
  readonly reads: 'batches' | 'read' | 'readExactly' | 'peek' | 'unread' | 'readLine' | 'lines' | 'readUntil'
  /** Bytes that it asks for, where its way of reading asks for a number. */
  readonly n: number
  /** How it cuts what it writes: pieces of so many bytes; whole where it is 0. */
  readonly cut: number
  /** What it does after a write. */
  readonly afterwards: 'await' | 'flush' | 'nothing' | 'turn'
  /** How it goes: at the end of the input, or where it has sent so many bytes back. */
  readonly goes: 'at the end' | 'returns' | 'throws' | 'aborts' | 'closes'
  readonly after: number
}

const base = {
  burst: fc.oneof(
    { arbitrary: fc.constant(0), weight: 4 },
    { arbitrary: fc.integer({ min: 1, max: 4_000_000 }), weight: 1 }
  ),
  n: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 101, max: 70_000 })),
  cut: fc.constantFrom(0, 0, 1_000, 7_777, 65_536),
  afterwards: fc.constantFrom('await', 'await', 'flush', 'nothing', 'turn'),
  after: fc.nat(40_000)
} as const

const reads = fc.constantFrom('batches', 'read', 'readExactly', 'peek', 'unread', 'readLine', 'lines', 'readUntil')

/** Handlers that serve their client to its end. */
export const faithful: fc.Arbitrary<HandlerPlan> = fc.record({ ...base, reads, goes: fc.constant('at the end') })

/** Handlers that may go before. */
export const moody: fc.Arbitrary<HandlerPlan> = fc.record({
  ...base,
  reads,
  goes: fc.constantFrom('at the end', 'returns', 'throws', 'aborts', 'closes')
})

/** Whether it needs its input in lines. */
export function wantsLines({ reads }: HandlerPlan): boolean {
  return reads === 'readLine' || reads === 'lines' || reads === 'readUntil'
}

async function* pieces(rfile: RFile, { reads, n }: HandlerPlan): AsyncGenerator<Buffer> {
  switch (reads) {
    case 'batches':
      for await (const batch of rfile) yield Buffer.from(batch.subarray())
      return
    case 'lines':
      yield* rfile.lines()
      return
    default:
  }
  for (;;) {
    let piece: Buffer | undefined
    if (reads === 'read') piece = await rfile.read(n)
    else if (reads === 'readLine') piece = await rfile.readLine()
    else if (reads === 'readExactly') piece = await rfile.readExactly(n).catch(partial)
    else if (reads === 'readUntil') piece = await rfile.readUntil('\n').catch(partial)
    else if (reads === 'peek') {
      const seen = Buffer.from(await rfile.peek(n))
      piece = seen.length === 0 ? undefined : await rfile.readExactly(seen.length)
      if (piece !== undefined && !piece.equals(seen)) throw new Error('peek() has shown other bytes than are read')
    } else {
      const taken = await rfile.read(n)
      const half = taken === undefined ? 0 : Math.ceil(taken.length / 2)
      if (taken !== undefined) rfile.unread(taken.subarray(half))
      piece = taken?.subarray(0, half)
    }
    if (piece === undefined) return
    yield piece
  }
}

function partial(error: unknown): Buffer | undefined {
  if (error instanceof UnexpectedEOFError) return error.partial
  throw error
}

async function send(wfile: WFile, piece: Buffer, { cut, afterwards }: HandlerPlan): Promise<void> {
  const size = cut === 0 ? Math.max(1, piece.length) : cut
  for (let at = 0; at < piece.length; at += size) {
    const writing = wfile.write(piece.subarray(at, at + size))
    if (afterwards === 'await') await writing
    else writing.catch(() => {})
    if (afterwards === 'flush') await wfile.flush()
    if (afterwards === 'turn') await turns()
  }
}

/** Serve a client as planned: it gets the burst, and what it sent, or as much of that as the plan says. */
export async function serve(request: StreamRequest, plan: HandlerPlan, burst: Buffer): Promise<void> {
  const { rfile, wfile } = request
  // Thousands of turns would show nothing that hundreds don't.
  await send(wfile, burst, { ...plan, cut: plan.cut === 0 ? 0 : Math.max(plan.cut, 20_000) })
  let sent = 0
  for await (const piece of pieces(rfile, plan)) {
    const left = plan.goes === 'at the end' ? piece.length : plan.after - sent
    const part = piece.subarray(0, Math.max(0, left))
    await send(wfile, part, plan)
    sent += part.length
    if (plan.goes === 'at the end' || sent < plan.after) continue
    if (plan.goes === 'throws') throw new Error('as planned')
    if (plan.goes === 'aborts') request.abort(new Error('as planned'))
    if (plan.goes === 'closes') await request.close()
    return
  }
}

/** The same over the plain socket, taken out. */
export async function serveDetached(request: StreamRequest): Promise<void> {
  const socket = request.detach()
  const over = once(socket, 'close')
  socket.on('error', () => {})
  socket.pipe(socket)
  await over
}
