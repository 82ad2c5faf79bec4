import type tls from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { show } from '../../arguments.ts'
import { toError } from '../../outcome.ts'
import type { TLSOptions } from './tls-options.ts'

type SNICallback = NonNullable<TLSOptions['SNICallback']>
type ALPNCallback = NonNullable<TLSOptions['ALPNCallback']>
type PSKCallback = NonNullable<TLSOptions['pskCallback']>

// The types know of an interface alone.
interface WithClass {
  readonly SecureContext: abstract new () => tls.SecureContext
}

function isContext(given: unknown): given is tls.SecureContext {
  return given instanceof (process.getBuiltinModule('node:tls') as unknown as WithClass).SecureContext
}

const byKey = new WeakSet<TLSSocket>()

/** Whether the client has shown in this handshake that it has the key that the `pskCallback` gave for its name. */
export function authenticatedByKey(secured: TLSSocket): boolean {
  return byKey.has(secured)
}

function promised(given: unknown): PromiseLike<unknown> | undefined {
  return typeof (given as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function'
    ? (given as PromiseLike<unknown>)
    : undefined
}

/** An answer that must be there at once; a promise of one would be taken for it, and its rejection be nobody's. */
function atOnce<T>(name: string, answer: T): T {
  const promise = promised(answer)
  if (promise === undefined) return answer
  promise.then(undefined, () => {})
  throw new TypeError(`${name} must answer at once: it gave a promise`)
}

function guardedSNI(own: SNICallback): SNICallback {
  return (servername, done) => {
    let answered = false
    const answer: typeof done = (thrown, context) => {
      if (answered) return
      answered = true
      if (thrown) done(toError(thrown))
      // Node 20 crashes in OpenSSL where it is anything else.
      else if (context === undefined || context === null || isContext(context)) done(null, context)
      else done(new TypeError(`SNICallback must answer with a context of createSecureContext(): got ${show(context)}`))
    }
    // Not within the callback of OpenSSL that it comes from: what it closes there, Node 20 would go on to use.
    setImmediate(() => {
      try {
        promised(own(servername, answer))?.then(undefined, (error: unknown) => answer(toError(error)))
      } catch (error) {
        answer(toError(error))
      }
    })
  }
}

function guardedALPN(own: ALPNCallback): ALPNCallback {
  return (offer) => atOnce('ALPNCallback', own(offer))
}

function guardedPSK(own: PSKCallback): PSKCallback {
  return (secured, identity) => {
    // The last answer counts: TLS 1.3 goes on to ask where a key does not fit, and takes tickets for names too.
    byKey.delete(secured)
    const answer = atOnce('pskCallback', own(secured, identity))
    if (answer !== null && answer !== undefined) byKey.add(secured)
    return answer
  }
}

/** The options with callbacks that cannot harm Node, whatever they do. */
export function guarded(options: TLSOptions): TLSOptions {
  const { SNICallback, ALPNCallback, pskCallback } = options
  return {
    ...options,
    ...(SNICallback && { SNICallback: guardedSNI(SNICallback) }),
    ...(ALPNCallback && { ALPNCallback: guardedALPN(ALPNCallback) }),
    ...(pskCallback && { pskCallback: guardedPSK(pskCallback) })
  }
}
