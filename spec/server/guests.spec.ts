import { describe, expect, it } from 'vitest'
import { BaseServer, MessageRequest, type Request } from '../../lib/index.ts'
import { Guests } from '../../lib/server/guests.ts'
import { watch } from '../support/turns.ts'

function message(): MessageRequest {
  return new MessageRequest({ server: new BaseServer(), packet: 'x' })
}

function someGuests(many: number): { guests: Guests; requests: MessageRequest[] } {
  const guests = new Guests()
  const requests = Array.from({ length: many }, message)
  for (const request of requests) guests.add(request)
  return { guests, requests }
}

describe('the guests of a server', () => {
  it('go in any order, each once', async () => {
    const { guests, requests } = someGuests(6)
    const empty = watch(guests.empty())
    for (const [left, at] of [2, 5, 0, 3, 1].entries()) {
      await requests[at]?.close()
      expect([guests.size, guests.finished]).toEqual([5 - left, left + 1])
    }
    await requests[2]?.close()
    expect([guests.size, empty.state]).toEqual([1, 'pending'])
    await requests[4]?.close()
    await empty.promise
    expect([guests.size, guests.finished]).toEqual([0, 6])
  })

  it('are cut off in the order in which they came, whoever has left before', async () => {
    const { guests, requests } = someGuests(5)
    await requests[0]?.close()
    await requests[2]?.close()
    expect(guests.cut(7).map(({ request }) => request)).toEqual([requests[1], requests[3], requests[4]])
    expect([guests.size, guests.finished]).toEqual([0, 2])
    expect(requests[3]?.abortReason).toMatchObject({ cause: 'deadline' })
  })

  it('stay while somebody is at work for them, though they have gone', async () => {
    const { guests, requests } = someGuests(1)
    const [request] = requests as [MessageRequest]
    request.held = true
    await request.close()
    expect(guests.size).toBe(1)
    request.held = false
    guests.letGo(request)
    guests.letGo(request)
    expect([guests.size, guests.finished]).toEqual([0, 1])
  })
})

describe('a request that two servers hand out, one of them from the other', () => {
  it('is a guest of both, and leaves both', async () => {
    const { guests, requests } = someGuests(3)
    const others = new Guests()
    for (const request of [...requests].reverse()) others.add(request)
    expect([guests.size, others.size]).toEqual([3, 3])
    await requests[1]?.close()
    expect([guests.size, others.size]).toEqual([2, 2])
    expect(others.cut(1)).toHaveLength(2)
    expect([guests.size, others.size]).toEqual([0, 0])
    await Promise.all([guests.empty(), others.empty()])
  })

  it('holds up the close of neither', async () => {
    class Source extends BaseServer {
      readonly #requests = [message(), message()]
      override getRequest(): Request | undefined {
        return this.#requests.shift()
      }
    }
    const source = new Source()
    const loop = source.requests()
    class Relay extends BaseServer {
      override async getRequest(): Promise<Request | undefined> {
        return (await loop.next()).value as Request | undefined
      }
    }
    const relay = new Relay()
    for await (const request of relay) await request.close()
    for (const server of [source, relay]) {
      expect(await server.close({ deadline: Number.POSITIVE_INFINITY })).toMatchObject({ aborted: 0 })
      expect(server.stats().open).toBe(0)
    }
  })
})

it('a request that is handed out twice is one guest', async () => {
  const { guests, requests } = someGuests(1)
  const [request] = requests as [MessageRequest]
  guests.add(request)
  expect(guests.size).toBe(1)
  await request.close()
  expect([guests.size, guests.finished]).toEqual([0, 1])
})
