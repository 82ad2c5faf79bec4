import type { Settlement } from '../../outcome.ts'
import type { StreamRequest } from '../stream/stream-request.ts'
import { MessageRequest } from './message-request.ts'

/** A frame's place in its connection: who sends its reply, and is told what becomes of it. */
export interface FramePlace {
  /** Sends the reply, when its turn has come. */
  reply(bytes: Buffer): unknown
  /** It was closed or aborted; called once. */
  released(outcome: Settlement): void
  /** The work of a mode on it begins, or has ended. */
  working(by: 1 | -1): void
}

/**
 * A message on a connection: see {@link framed}, which makes them. A {@link MessageRequest}: its bytes are in `packet` and
 * `rfile`, and what is written to `wfile` is one reply, sent when it is closed with a `fulfilled` outcome, after the
 * replies to the frames before it.
 *
 * `server` and `clientAddress` are those of the connection. Where that is aborted, so is the frame, with the same reason.
 * A handler that wants to end the connection after its reply says
 * `request.whenClosed(() => request.connection.close())`.
 *
 * @example
 * const server = await new TCPServer({ port: 0 }).listen()
 * const answer = exchange(server.address, 'ping\n')
 * for await (const frame of framed(lines())(server)) {
 *   assert.equal(frame.packet.toString(), 'ping')
 *   assert.equal(frame.clientAddress, frame.connection.clientAddress)
 *   await frame.wfile.write('pong')
 *   await frame.close()
 *   break
 * }
 * assert.equal(await answer, 'pong\n')
 */
export class FrameRequest extends MessageRequest {
  /** The connection it came by. Its bytes are read and written for the frames: leave its `rfile` and `wfile` alone. */
  readonly connection: StreamRequest
  readonly #place: FramePlace
  // Its own: going through super here costs a twentieth of a frame.
  #held = false

  /**
   * Made by {@link framed}.
   *
   * @internal
   */
  constructor(connection: StreamRequest, packet: Buffer, place: FramePlace) {
    const { server, clientAddress } = connection
    super({
      server,
      packet,
      ...(clientAddress !== undefined && { clientAddress }),
      reply: (bytes) => place.reply(bytes),
      release: (outcome) => place.released(outcome)
    })
    this.connection = connection
    this.#place = place
  }

  /** Set by a mode: its work closes the request, so the end of `sink` does not. */
  override get held(): boolean {
    return this.#held
  }

  override set held(held: boolean) {
    if (held === this.#held) return
    this.#held = held
    this.#place.working(held ? 1 : -1)
  }
}
