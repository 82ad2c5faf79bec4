import { show } from '../arguments.ts'
import { refuseRequest } from '../handler/refuse.ts'
import { closeSource } from '../iterator/close-source.ts'
import { openSource } from '../iterator/open-source.ts'
import type { Request } from '../request.ts'
import type { Stage } from '../stage.ts'

const done = { done: true, value: undefined } as const

/**
 * Let through only the requests that a predicate accepts; the others are closed, counted and published.
 *
 * Resources: pulls one request for each that is asked of it, and more only in place of refused ones.
 * Errors: a predicate that throws refuses that request and goes to the server's `handleError`.
 * Stopping: gives the source back without waiting for it.
 * Python: `BaseServer.verify_request`.
 *
 * @param predicate - true, or a promise of it, to let the request through
 *
 * @example
 * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const local = verify((request: StreamRequest) => formatAddress(request.clientAddress).startsWith('127.'))
 * const serving = pipe(server, local, parallel((request: Request) => pipe(request, request)), drain)
 * assert.equal(await exchange(server.address, 'ping'), 'ping')
 * await server.close()
 * await serving
 */
export function verify<R extends Request = Request>(
  predicate: (request: R) => boolean | Promise<boolean>
): Stage<R, R> {
  if (typeof predicate !== 'function') throw new TypeError(`verify takes a function: got ${show(predicate)}`)
  return (source) => {
    const iterator = openSource(source)
    let left = false
    const verified: AsyncIterableIterator<R> = {
      async next() {
        while (!left) {
          const result = await iterator.next()
          if (result.done === true) return done
          const passed = await admit(result.value, predicate)
          if (passed && !left) return { done: false, value: result.value }
          if (passed) await refuseRequest(result.value, 'closing')
        }
        return done
      },
      return() {
        if (!left) closeSource(iterator)
        left = true
        return Promise.resolve(done)
      },
      [Symbol.asyncIterator]() {
        return verified
      }
    }
    return verified
  }
}

/**
 * Whether a request is let through; where not, it has been refused. Answers at once where the predicate does.
 *
 * @param request - the request
 * @param predicate - decides
 */
export function admit<R extends Request>(
  request: R,
  predicate: (request: R) => boolean | Promise<boolean>
): boolean | Promise<boolean> {
  try {
    const verdict = predicate(request)
    return verdict === true ? true : admitLater(request, verdict)
  } catch (error) {
    return admitLater(request, Promise.reject(error))
  }
}

async function admitLater(request: Request, verdict: boolean | Promise<boolean>): Promise<boolean> {
  try {
    if (await verdict) return true
  } catch (error) {
    await request.server.noteError(error, request)
  }
  await refuseRequest(request, 'verify')
  return false
}
