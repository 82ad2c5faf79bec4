import { describe, expect, it } from 'vitest'
import { type Outcome, parallel, type Request, type Stage, sequential } from '../../lib/index.ts'
import { checkMode, type GivenHandler, MemoryDatagramServer, type ModeSubject } from '../../lib/testing/entry.ts'
import { about, bent, complaints } from '../support/complaints.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

// Long enough for what comes, and the whole cost of what never does.
const patience = 200

type Outcomes = AsyncIterator<Outcome<Request>>

/** A mode that goes about it as a good one does, but for what it is told. */
function bentMode(
  bend: (good: Outcomes, source: AsyncIterator<Request>) => Partial<Outcomes>,
  bendSource: (source: AsyncIterator<Request>) => Partial<AsyncIterator<Request>> = () => ({}),
  limit = 2
): ModeSubject['mode'] {
  return ({ handler }) =>
    (source) => {
      const real = (source as AsyncIterable<Request>)[Symbol.asyncIterator]()
      const requests = Object.assign(bound(real), bendSource(real))
      const good = parallel(handler, { limit })({ [Symbol.asyncIterator]: () => requests }) as AsyncIterableIterator<
        Outcome<Request>
      >
      const bad: AsyncIterableIterator<Outcome<Request>> = Object.assign(bound(good), bend(good, real), {
        [Symbol.asyncIterator]: () => bad
      })
      return bad
    }
}

function bound<T>(iterator: AsyncIterator<T>): AsyncIterator<T> {
  return { next: () => iterator.next(), return: () => iterator.return?.() as Promise<IteratorResult<T>> }
}

const asIs = (): Partial<Outcomes> => ({})

/** The handler, inside of another. */
const wrapped =
  (wrap: (request: Request, run: () => Promise<unknown>) => unknown): ModeSubject['mode'] =>
  ({ handler }: GivenHandler): Stage<Request, Outcome<Request>> =>
    parallel(
      (request: Request) =>
        wrap(request, async () => {
          const { setup, handle, finish } = handler.prototype
          const one = new handler(request)
          await setup.call(one)
          try {
            return await handle.call(one)
          } finally {
            await finish.call(one)
          }
        }),
      { limit: 2 }
    )

describe('the kit of modes', () => {
  const subject = (mode: ModeSubject['mode']): ModeSubject<MemoryDatagramServer> => ({
    name: 'a broken mode',
    mode,
    limit: 2,
    server: () => new MemoryDatagramServer({ maxPending: 100 }),
    ask: (server, input) => ({ sent: Promise.resolve(), reply: server.send(input) }),
    messages: true
  })

  it('is content with a good one', async () => {
    await checkMode(subject(bentMode(asIs)))
    await checkMode(subject(({ handler }) => parallel(handler, { limit: 2 })))
  })

  const broken: Record<string, [ModeSubject['mode'], string]> = {
    'serves one more than its limit': [
      ({ handler }) => parallel(handler, { limit: 3 }),
      'has as many requests at work as its limit says'
    ],
    'serves one less than its limit': [
      ({ handler }) => parallel(handler, { limit: 1 }),
      'has as many requests at work as its limit says'
    ],
    'takes a request that it can not serve yet': [
      bentMode(asIs, (source) => {
        let kept: Promise<IteratorResult<Request>> | undefined
        return {
          next() {
            const now = kept ?? source.next()
            kept = source.next()
            kept.catch(() => {})
            return now
          }
        }
      }),
      'has as many requests at work as its limit says'
    ],
    'loses an outcome': [
      bentMode((good) => {
        let seen = 0
        return {
          async next() {
            if (++seen === 2) await good.next()
            return good.next()
          }
        }
      }),
      'yields one outcome for each request'
    ],
    'yields outcomes in the order of their requests': [
      bentMode((good, source) => {
        const kept: IteratorResult<Outcome<Request>>[] = []
        const { taken } = source as AsyncIterator<Request> & { taken: Request[] }
        let seen = 0
        return {
          async next() {
            for (const request = () => taken[seen]; ; ) {
              const at = kept.findIndex(({ value }) => value?.request === request())
              if (at !== -1) {
                seen++
                return kept.splice(at, 1)[0] as IteratorResult<Outcome<Request>>
              }
              const result = await good.next()
              if (result.done === true) return kept.shift() ?? result
              kept.push(result)
            }
          }
        }
      }),
      'in the order in which they finish'
    ],
    'says that it served elsewhere': [
      bentMode((good) => ({
        async next() {
          const { done, value } = await good.next()
          return done === true ? { done, value } : { done: false, value: { ...value, ranBy: { pid: 1 } } }
        }
      })),
      'yields one outcome for each request'
    ],
    'reads outcomes ahead': [
      bentMode((good) => {
        const ahead: Promise<IteratorResult<Outcome<Request>>>[] = []
        return {
          next() {
            while (ahead.length < 5) ahead.push(good.next())
            return ahead.shift() as Promise<IteratorResult<Outcome<Request>>>
          }
        }
      }),
      'takes no more than its limit ahead of who reads the outcomes'
    ],
    'passes over the hooks of the server': [
      bentMode(asIs, (source) => ({
        async next() {
          const result = await source.next()
          if (result.done === true) return result
          const { value } = result
          const server = bent(value.server, {
            async processRequest(_, work) {
              await work.run()
            }
          })
          return { done: false, value: Object.defineProperty(value, 'server', { value: server }) }
        }
      })),
      'serves through processRequest() and closeRequest()'
    ],
    'ends where a handler fails': [
      bentMode((good) => ({
        async next() {
          const result = await good.next()
          if (result.done !== true && result.value.status === 'rejected') throw result.value.reason
          return result
        }
      })),
      'makes an outcome of each failure'
    ],
    'tells of an error twice': [
      wrapped(async (request, run) => {
        try {
          return await run()
        } catch (error) {
          await request.server.noteError(error, request)
          throw error
        }
      }),
      'makes an outcome of each failure'
    ],
    'forgets the class of an error': [
      wrapped((_, run) =>
        run().catch((error: unknown) => {
          throw new Error((error as Error).message)
        })
      ),
      'makes an outcome of each failure'
    ],
    'answers though its handler has failed': [
      wrapped((_, run) => run().catch(() => {})),
      'sends one reply where the handler has ended well'
    ],
    'never ends': [
      bentMode((good) => ({
        async next() {
          const result = await good.next()
          return result.done === true ? new Promise<never>(() => {}) : result
        }
      })),
      'ends when its server has closed'
    ],
    'leaves when its server begins to close': [
      (given) => {
        let close = (): void => {}
        const closing = new Promise<IteratorResult<Outcome<Request>>>((resolve) => {
          close = () => resolve({ done: true, value: undefined })
        })
        const mode = bentMode(
          (good) => ({ next: () => Promise.race([good.next(), closing]) }),
          (source) => ({
            async next() {
              const result = await source.next()
              if (result.done !== true) result.value.stopping.addEventListener('abort', close)
              return result
            }
          })
        )
        return mode(given)
      },
      'serves what its server still hands over while that closes'
    ],
    'does not tell its handlers of the deadline': [
      wrapped((request, run) => {
        Object.defineProperty(request, 'signal', { value: new AbortController().signal })
        return run()
      }),
      'cuts off at the deadline what never ends'
    ],
    'keeps its source when it is left': [
      bentMode(asIs, () => ({ return: async () => ({ done: true, value: undefined }) })),
      'gives its source back when it is left'
    ],
    'does not wait for what is at work when it is left': [
      bentMode((good) => ({
        async return() {
          void good.return?.()
          return { done: true, value: undefined }
        }
      })),
      'finishes what is at work'
    ],
    'drops what comes after it was left': [
      bentMode(asIs, (source) => {
        let left = false
        return {
          async next() {
            const result = await source.next()
            return left ? { done: true, value: undefined } : result
          },
          return() {
            left = true
            return source.return?.() as Promise<IteratorResult<Request>>
          }
        }
      }),
      'refuses what comes after it was left'
    ],
    'takes the error of its source for an end': [
      bentMode(asIs, (source) => ({
        next: () => source.next().catch(() => ({ done: true, value: undefined }))
      })),
      'ends with the error of its source'
    ],
    'throws the error of its source before its time': [
      bentMode((good, source) => {
        const failing = source as AsyncIterator<Request> & { failure: Error | undefined; taken: Request[] }
        return {
          async next() {
            if (failing.failure !== undefined && failing.taken.length > 0) throw failing.failure
            return good.next()
          }
        }
      }),
      'ends with the error of its source'
    ]
  }
  for (const [how, [mode, complaint]] of Object.entries(broken)) {
    it(`names the case where a mode ${how}`, async () => {
      const found = await complaints(checkMode(subject(mode), { patience }))
      expect(found).toEqual(about(complaint))
    })
  }

  it('wants children to say who served', async () => {
    const found = await complaints(
      checkMode({ ...subject(({ handler }) => sequential(handler)), limit: 1, runsIn: 'children' }, { patience })
    )
    expect(found).toHaveLength(1)
    expect(found).toEqual(about('tells all of it'))
  })
})
