import {
  type Backend,
  type FrameCodec,
  type FramedOptions,
  type FrameRequest,
  framed,
  type Handler,
  lines,
  type Outcome,
  parallel,
  type TCPServer
} from '../../lib/index.ts'
import { type Deferred, deferred } from '../../lib/iterator/deferred.ts'
import { type Noted, tcp } from '../support/servers.ts'
import { turns } from '../support/turns.ts'

export const forever = Number.POSITIVE_INFINITY

/** Answers a frame with itself. */
export const echo = ({ packet, wfile }: FrameRequest): Promise<void> => wfile.write(packet)

/** A server of frames, and what became of them. */
export interface Serving {
  readonly server: TCPServer & Noted
  readonly outcomes: Outcome<FrameRequest>[]
  /** The stage has ended. */
  readonly ended: Promise<void>
}

/** Serves the frames of a TCP server, which are lines where nothing else is said. */
export async function serving(
  handler: Handler<FrameRequest>,
  options: FramedOptions & { codec?: FrameCodec; limit?: number; backend?: Backend } = {}
): Promise<Serving> {
  const { codec = lines(), limit = 40, backend = 'auto', ...rest } = options
  const server = await tcp({ backend })
  const outcomes: Outcome<FrameRequest>[] = []
  const serve = async (): Promise<void> => {
    for await (const outcome of parallel(handler, { limit })(framed(codec, rest)(server))) outcomes.push(outcome)
  }
  return { server, outcomes, ended: serve() }
}

/** A handler that answers a frame in capitals when its gate is opened. */
export interface Gated {
  readonly handler: (frame: FrameRequest) => Promise<void>
  /** The texts of the frames whose handlers have begun. */
  readonly began: string[]
  /** The gate of the frame with this text. */
  gate(text: string): Deferred<void>
}

/** A handler each of whose frames waits. */
export function gated(): Gated {
  const gates = new Map<string, Deferred<void>>()
  const began: string[] = []
  const gate = (text: string): Deferred<void> => {
    const known = gates.get(text) ?? deferred<void>()
    gates.set(text, known)
    return known
  }
  const handler = async (frame: FrameRequest): Promise<void> => {
    const text = frame.packet.toString()
    began.push(text)
    frame.signal.addEventListener('abort', () => gate(text).reject(frame.abortReason))
    await gate(text).promise
    await frame.wfile.write(text.toUpperCase())
  }
  return { handler, began, gate }
}

/** Waits until something holds, turn by turn of the loop. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turns()
}
