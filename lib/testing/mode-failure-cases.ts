import assert from 'node:assert/strict'
import type { Outcome } from '../outcome.ts'
import type { Request } from '../request.ts'
import type { KitCase } from './kit.ts'
import { type ModeSubject, runningMode } from './mode-subject.ts'
import { turns } from './trial.ts'

interface Failure {
  readonly status: string
  readonly name: string
  readonly message: RegExp
  /** What `handleError` hears, besides the reason and before it. */
  readonly before?: readonly string[]
}

const failed = { status: 'rejected', name: 'RangeError' } as const
const odd = { status: 'rejected', name: 'Error' } as const

// What the handler does, and how that ends.
const failures: Readonly<Record<string, Failure>> = {
  throw: { ...failed, message: /^failed: throw$/ },
  reject: { ...failed, message: /^failed: reject$/ },
  setup: { ...failed, message: /^failed: setup$/ },
  finish: { ...failed, message: /^failed: finish$/ },
  'handle-and-finish': { ...failed, message: /^failed: handle-and-finish$/, before: ['failed: finish'] },
  text: { ...odd, message: /^Non-error thrown: a text$/ },
  nothing: { ...odd, message: /^Non-error thrown: undefined$/ },
  abort: { status: 'aborted', name: 'AbortedError', message: /was aborted: failed: abort$/ }
}

type Reason = Error & { readonly code?: unknown; readonly detail?: unknown; readonly origin?: unknown }

function reasonOf(outcome: Outcome<Request>): Reason {
  assert.notEqual(outcome.status, 'fulfilled')
  return (outcome as { readonly reason: Error }).reason
}

function checkOwn(error: Reason): void {
  assert.ok(error instanceof RangeError, 'it is of its class')
  assert.deepEqual([error.code, error.detail], ['ERR_KIT', 7])
  assert.match(String(error.stack), /RangeError: failed: .*mode-handler/s)
}

/** What becomes of requests whose handlers fail, and of the others. */
export const modeFailureCases: readonly KitCase<ModeSubject>[] = [
  {
    name: 'makes an outcome of each failure, tells handleError() once, and goes on',
    async run(trial, subject) {
      const { ask, gate, errors, outcome, server } = await runningMode(trial, subject)
      const isAmongOthers = subject.limit > 1
      const coming = outcome()
      if (isAmongOthers) {
        await ask('gate', 'survivor')
        await trial.until('one is at work', () => gate.inside.length === 1)
      }
      let next = coming
      for (const [does, { status, name, message, before = [] }] of Object.entries(failures)) {
        const told = errors.length
        await ask(does)
        const seen = await next
        next = outcome()
        const reason = reasonOf(seen)
        assert.deepEqual([seen.status, reason.name], [status, name], does)
        assert.match(reason.message, message)
        if (status === 'aborted') {
          assert.equal(reason.cause, 'server-error')
          checkOwn(reason.origin as Reason)
        } else if (name === 'RangeError') checkOwn(reason)
        const heard = errors.slice(told)
        assert.equal(heard.length, before.length + 1, `handleError() hears of it: ${does}`)
        assert.deepEqual(
          heard.slice(0, -1).map((error) => (error as Error).message),
          before
        )
        assert.equal(heard.at(-1), reason)
      }
      const { reply } = await ask('echo', 'well')
      assert.equal((await next).status, 'fulfilled')
      assert.equal((await trial.soon('the reply comes', reply)).trim(), 'well')
      if (isAmongOthers) {
        assert.deepEqual(gate.inside, ['survivor'])
        const last = outcome()
        gate.letGo()
        assert.equal((await last).status, 'fulfilled')
      }
      const many = Object.keys(failures).length
      const { served, failed: lost } = server.stats()
      assert.deepEqual({ served, lost }, { served: isAmongOthers ? 2 : 1, lost: many })
    }
  },
  {
    name: 'sends one reply where the handler has ended well and has written one, and none otherwise',
    when: ({ messages }) => messages === true,
    async run(trial, subject) {
      const { ask, outcome } = await runningMode(trial, subject)
      const came: string[] = []
      for (const does of ['none', 'half', 'abort']) {
        const coming = outcome()
        const { reply } = await ask(does)
        // `undefined` is what says that there is none; a connection that carries messages ends.
        reply.then((text) => text !== 'undefined' && text !== '' && came.push(`${does}: ${text}`)).catch(() => {})
        assert.equal((await coming).status, does === 'none' ? 'fulfilled' : does === 'half' ? 'rejected' : 'aborted')
      }
      const coming = outcome()
      const { reply: empty } = await ask('empty')
      assert.equal((await coming).status, 'fulfilled')
      assert.equal((await trial.soon('the empty reply comes', empty)).trim(), '')
      const last = outcome()
      const { reply } = await ask('echo', 'all')
      await last
      assert.equal((await trial.soon('the reply comes', reply)).trim(), 'all')
      await turns()
      assert.deepEqual(came, [])
    }
  }
]
