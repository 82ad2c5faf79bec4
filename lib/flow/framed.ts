import type { FrameRequest } from '../accept/request/frame-request.ts'
import { count, flag, known } from '../arguments.ts'
import type { Request } from '../request.ts'
import type { Stage } from '../stage.ts'
import { checkCodec, type FrameCodec } from './frame-codec.ts'
import { Framing } from './framing.ts'

/** How {@link framed} goes about it. */
export interface FramedOptions {
  /**
   * Frames of one connection that were handed out and whose replies have not left: 64 by default; `Infinity` for no bound.
   * Past it the connection is not read.
   */
  readonly maxInFlight?: number
  /** Connections at a time: 10,000 by default; `Infinity` for no bound. The others wait on the server. */
  readonly maxConnections?: number
  /**
   * End the connection of a frame that was not served, after the replies before it: true by default, since the client
   * would take the next reply for the one that is missing. With false that reply is left out.
   */
  readonly closeOnError?: boolean
}

/**
 * Turn connections into the messages on them: each frame is a request of its own, and a mode then bounds the work by
 * message and not by connection. 10,000 connections, 40 messages at work: `framed(lines())`, `parallel(Handler)`.
 *
 * The replies of a connection keep the order of its frames, whatever order they are served in; where nothing is written,
 * nothing is sent. Connections that have a frame ready take turns, so that a busy one does not starve a quiet one. A
 * client's end of input closes its connection after the last reply.
 *
 * Resources: connections are taken as they come, whether or not anybody asks for a frame, up to `maxConnections`; an idle
 * one costs memory only. Of each, one frame is read ahead, and up to `maxInFlight` are with their handlers or wait, with
 * their replies, for the replies before them. The reply whose turn it is waits, with its request, for a client that does
 * not read; those after it hold no permit, and the client is read no further. A time limit for that, and for silence, is
 * the connection's `configure({ timeout })`, in `verifyRequest` say.
 * Errors: what the codec throws (a line too long, a bad length) ends that connection, after the replies that are due, and
 * goes to the server's `handleError` with the connection; a frame that was not served ends it by `closeOnError`. A
 * connection that is aborted aborts its frames, which tell; one that has none goes in silence. An item that is no
 * connection, such as a datagram, is refused and noted. A source that throws ends the stage with its error when all
 * connections have ended.
 * Stopping: when the server closes, frames that have come are served, and a connection at rest is closed at once; one in
 * the middle of a frame may finish it, until the deadline. A codec that iterates the rfile may hold the beginning of a
 * frame that came together with the end of the last: that is not seen, and counts as rest. `break` gives the source back,
 * refuses what is ready, and closes each connection when its frames have been answered.
 * Counts: connections as accepted, frames as served or failed. `processRequest` and the other hooks get the frames, and
 * `closeRequest` each connection too.
 * Python: the explicit table of partially finished requests, of which the docstring of `socketserver` speaks.
 *
 * @param codec - how messages lie in the bytes: {@link lines}, or it-length-prefixed's
 * @param options - the bounds, and what an error ends
 * @returns a stage: connections in, frames out
 *
 * @example
 * class Shout extends DatagramRequestHandler {
 *   override async handle () {
 *     await this.wfile.write(this.packet.toString().toUpperCase())
 *   }
 * }
 * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const serving = pipe(server, framed(lines()), parallel(Shout, { limit: 40 }), drain)
 * assert.equal(await exchange(server.address, 'a\nb\n'), 'A\nB\n')
 * await server.close()
 * await serving
 */
export function framed(codec: FrameCodec, options: FramedOptions = {}): Stage<Request, FrameRequest> {
  checkCodec(codec)
  known('framed', options, ['maxInFlight', 'maxConnections', 'closeOnError'])
  const plan = {
    codec,
    maxInFlight: count('maxInFlight', options.maxInFlight, 64),
    closeOnError: flag('closeOnError', options.closeOnError, true)
  }
  const maxConnections = count('maxConnections', options.maxConnections, 10_000)
  return (source) => new Framing(source, plan, maxConnections)
}
