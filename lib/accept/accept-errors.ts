import { performance } from 'node:perf_hooks'
import { acceptError } from '../events.ts'
import type { RequestServer } from '../request.ts'
import { triage, type Verdict } from './triage.ts'

// Milliseconds: a shortage that lasts is told again as often.
const again = 1_000

/** Tells of the errors of a listener that Node runs, and what is done about them: libuv may have thousands a second. */
export class AcceptErrors {
  readonly #server: RequestServer
  #shortage: string | undefined
  #toldAt = Number.NEGATIVE_INFINITY

  /** @param server - whose listener it is */
  constructor(server: RequestServer) {
    this.#server = server
  }

  /** One has come: published, but of a shortage that is known only once a second. */
  came(error: NodeJS.ErrnoException): Verdict {
    const verdict = triage(error)
    const now = performance.now()
    const isKnown = verdict === 'wait' && this.#shortage === error.code && now - this.#toldAt < again
    if (isKnown) return verdict
    if (verdict === 'wait') {
      this.#shortage = error.code
      this.#toldAt = now
    }
    if (acceptError.hasSubscribers) acceptError.publish({ server: this.#server, error, verdict })
    return verdict
  }
}
