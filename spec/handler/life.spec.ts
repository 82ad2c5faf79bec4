import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, it } from 'vitest'
import {
  BaseRequestHandler,
  BaseServer,
  MessageRequest,
  type Outcome,
  parallel,
  type Settlement,
  sequential,
  type Work
} from '../../lib/index.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

/** A server of as many rows as it is told, whose hooks can be watched. */
class Rows extends BaseServer<MessageRequest> {
  readonly errors: unknown[] = []
  #left: number

  constructor(many = 1) {
    super()
    this.#left = many
  }

  override getRequest(): MessageRequest | undefined {
    return this.#left-- > 0 ? new MessageRequest({ server: this, packet: 'row' }) : undefined
  }

  override handleError(error: unknown): void {
    this.errors.push(error)
  }
}

async function outcomeOf(server: Rows, handler: () => unknown): Promise<Outcome<MessageRequest> | undefined> {
  let last: Outcome<MessageRequest> | undefined
  for await (const outcome of sequential<MessageRequest>(handler)(server)) last = outcome
  return last
}

describe('what can hardly be looked at', () => {
  const tagged = {
    get [Symbol.toStringTag](): string {
      throw new Error('no tag')
    }
  }
  const unshowable = {
    [Symbol.for('nodejs.util.inspect.custom')]() {
      throw new Error('not to be shown')
    }
  }

  it('ends its request where a handler returns it', async () => {
    const server = new Rows()
    expect(await outcomeOf(server, () => tagged)).toMatchObject({ status: 'rejected', reason: { message: 'no tag' } })
    expect(server.errors).toHaveLength(1)
  })

  it.for(['throws', 'rejects with'])('ends its request where a handler %s it', async (how) => {
    const server = new Rows()
    const fail = (): never => {
      throw unshowable
    }
    const outcome = await outcomeOf(server, how === 'throws' ? fail : async () => fail())
    expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'not to be shown' } })
    expect(server.errors).toHaveLength(1)
  })
})

it.for(['processRequest', 'finishRequest'])(
  'has the context of a request end with its work: made by %s, neither other hooks nor the next requests see it',
  async (by) => {
    const storage = new AsyncLocalStorage<number>()
    const seen: unknown[] = []
    class Tracing extends Rows {
      #many = 0
      override processRequest(request: MessageRequest, work: Work): Promise<void> | void {
        seen.push(['begins', storage.getStore()])
        const process = (): Promise<void> | void => super.processRequest(request, work)
        return by === 'processRequest' ? storage.run(++this.#many, process) : process()
      }

      override finishRequest(request: MessageRequest, work: Work): Promise<unknown> {
        const finish = (): Promise<unknown> => super.finishRequest(request, work)
        return by === 'finishRequest' ? storage.run(++this.#many, finish) : finish()
      }

      override closeRequest(request: MessageRequest, outcome: Settlement): Promise<void> | void {
        seen.push(['closes', storage.getStore()])
        return super.closeRequest(request, outcome)
      }
    }
    const handled: unknown[] = []
    const handler = async (): Promise<void> => {
      await null
      handled.push(storage.getStore())
    }
    for await (const { status } of parallel(handler, { limit: 1 })(new Tracing(3))) expect(status).toBe('fulfilled')
    expect(handled).toEqual([1, 2, 3])
    const one = [
      ['begins', undefined],
      ['closes', undefined]
    ]
    expect(seen).toEqual([...one, ...one, ...one])
  }
)

it('tells whoever serves one request of a hook that must not throw, and has', async () => {
  class Broken extends Rows {
    override workEnded(): void {
      throw new Error('cannot be counted')
    }
  }
  await expect(new Broken().handleRequest(() => 5)).rejects.toThrow('cannot be counted')
})

it.for(['handle', 'finish'])('gives an override of processRequest an Error, whatever %s has thrown', async (where) => {
  const word: unknown = 'a word'
  const fail = (): never => {
    throw word
  }
  class Handler extends BaseRequestHandler {
    override handle(): void {
      if (where === 'handle') fail()
    }

    override finish(): void {
      if (where === 'finish') fail()
    }
  }
  const seen: unknown[] = []
  class Watching extends Rows {
    override async processRequest(_: MessageRequest, work: Work): Promise<void> {
      await work.run().catch((error: unknown) => seen.push(error))
    }
  }
  const outcome = await new Watching().handleRequest(Handler)
  expect(seen).toEqual([expect.objectContaining({ message: 'Non-error thrown: a word' })])
  expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'Non-error thrown: a word' } })
})
