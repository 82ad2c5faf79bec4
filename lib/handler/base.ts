import type { Address } from '../address.ts'
import type { Request, RequestServer } from '../request.ts'
import type { RFile } from '../rfile.ts'
import type { WFile } from '../wfile.ts'

/** Marks handler classes, so that a class of another copy of this package is known too. */
export const handlerBrand: unique symbol = Symbol.for('it-socketserver.handler') as never

/**
 * Serves one request: `setup`, `handle`, `finish`. One object a request.
 *
 * `finish` runs whenever `setup` succeeded, also when `handle` threw; after it the request is closed, always. Each may
 * be async. `rfile` and `wfile` are there without `super.setup()`.
 *
 * Errors: whatever is thrown ends this request only; it is the outcome's `reason` and goes to the server's `handleError`.
 * Python: `BaseRequestHandler`.
 *
 * @example
 * class Greet extends BaseRequestHandler {
 *   override async handle () {
 *     const name = await this.rfile.readLine({ chomp: true })
 *     await this.wfile.write(`hello ${name}\n`)
 *   }
 * }
 * assert.equal(await ask(Greet, 'Ada\n'), 'hello Ada\n')
 */
export class BaseRequestHandler<R extends Request = Request, S extends RequestServer = RequestServer> {
  /** The request. */
  readonly request: R

  /** @param request - the request to serve */
  constructor(request: R) {
    this.request = request
  }

  /** @internal */
  get [handlerBrand](): true {
    return true
  }

  /** Where the request comes from. */
  get clientAddress(): Address | undefined {
    return this.request.clientAddress
  }

  /** The server that handed the request out: `StreamRequestHandler<MyServer>` for one of yours. */
  get server(): S {
    return this.request.server as S
  }

  /** The input of the request. */
  get rfile(): RFile {
    return this.request.rfile
  }

  /** The output of the request. */
  get wfile(): WFile {
    return this.request.wfile
  }

  /** Runs first. Where it throws, the request is closed without `handle` and `finish`. */
  setup(): void | Promise<void> {}

  /** Does the work. What it returns is the `value` of the outcome. */
  handle(): unknown {
    return undefined
  }

  /** Runs last, however `handle` went. */
  finish(): void | Promise<void> {}

  /**
   * Applies the class fields to the request, before `setup`.
   *
   * @internal
   */
  configure(): void {}
}
