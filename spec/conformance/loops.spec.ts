import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import {
  drain,
  parallel,
  pipe,
  type Request,
  type Settlement,
  type StreamRequest,
  StreamRequestHandler,
  sequential,
  TCPServer,
  verify
} from '../../lib/index.ts'
import { dial, exchange, received } from '../support/peers.ts'
import { gone, tcp } from '../support/servers.ts'

const echo = (request: Request) => pipe(request, request)

describe('a loop over a server', () => {
  it('closes the server when it is left', async () => {
    const server = await tcp()
    const answer = exchange(server.address, 'ping')
    for await (const request of server) {
      await pipe(request, request)
      break
    }
    expect(await answer).toBe('ping')
    expect(await server.closed).toMatchObject({ aborted: 0, refused: 0 })
    await expect(dial(server.address)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('does not wait for the requests that run when it is left', async () => {
    const server = await tcp()
    const client = await dial(server.address)
    let kept: StreamRequest | undefined
    for await (const request of server) {
      kept = request
      break
    }
    await expect(dial(server.address)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(kept?.signal.aborted).toBe(false)
    expect(kept?.stopping.aborted).toBe(true)
    const reply = received(client)
    await kept?.wfile.write('still here')
    await kept?.close()
    expect((await reply).toString()).toBe('still here')
    client.end()
    expect(await server.closed).toMatchObject({ finished: 1, aborted: 0 })
  })

  it('ends when the server is closed, though parked', async () => {
    const server = await tcp()
    const parked = server.requests().next()
    await server.close()
    expect(await parked).toEqual({ done: true, value: undefined })
  })

  it('ends when the server is closed, though getRequest never answers', async () => {
    class Deaf extends TCPServer {
      override getRequest(): Promise<undefined> {
        return new Promise(() => {})
      }
    }
    const server = await new Deaf().listen()
    const parked = [server.requests().next(), server.requests().next()]
    await server.close()
    expect(await Promise.all(parked)).toEqual([
      { done: true, value: undefined },
      { done: true, value: undefined }
    ])
  })

  it('shares the work with a second one', async () => {
    const server = await tcp()
    const served: string[] = []
    const loop = async (name: string): Promise<void> => {
      for await (const request of server) {
        served.push(name)
        await pipe(request, request)
      }
    }
    const loops = [loop('a'), loop('b')]
    const inputs = Array.from({ length: 10 }, (_, i) => `message ${i}`)
    expect(await Promise.all(inputs.map((input) => exchange(server.address, input)))).toEqual(inputs)
    expect(new Set(served)).toEqual(new Set(['a', 'b']))
    expect(served).toHaveLength(10)
    await server.close()
    await Promise.all(loops)
  })

  it('ends too when the other one is left', async () => {
    const server = await tcp()
    const other = server.requests()
    const parked = other.next()
    const first = server.requests()
    await first.return?.()
    expect(await parked).toMatchObject({ done: true })
  })

  it('can be left and taken up again with closeOnReturn: false', async () => {
    const server = await tcp()
    for (const input of ['one', 'two', 'three']) {
      const answer = exchange(server.address, input)
      for await (const request of server.requests({ closeOnReturn: false })) {
        await pipe(request, request)
        break
      }
      expect(await answer).toBe(input)
    }
    expect(server.stats()).toMatchObject({ accepted: 3, refused: 0 })
  })

  it('gives back what was pulled for a reader that gave up', async () => {
    const server = await tcp()
    const impatient = server.requests({ closeOnReturn: false })
    const parked = impatient.next()
    await impatient.return?.()
    expect(await parked).toMatchObject({ done: true })
    const answer = exchange(server.address, 'mine')
    const { value } = await server.requests({ closeOnReturn: false }).next()
    await echo(value as StreamRequest)
    expect(await answer).toBe('mine')
  })

  it('refuses those who wait when it is left, and closes their sockets', async () => {
    const server = await tcp({ backend: 'node' })
    const waiting = [await dial(server.address), await dial(server.address)]
    const first = await dial(server.address)
    for await (const request of server) {
      // All three have been accepted by the time the first is served.
      while (server.stats().accepted < 3) await new Promise((resolve) => setImmediate(resolve))
      await request.close()
      break
    }
    await Promise.all([...waiting, first].map((client) => received(client)))
    for (const client of [...waiting, first]) client.destroy()
    expect(await server.closed).toMatchObject({ refused: 2 })
  })

  it('serves those who wait before it ends, when the server is closed', async () => {
    const server = await tcp({ backend: 'node' })
    const answers = ['a', 'b', 'c'].map((input) => exchange(server.address, input))
    while (server.stats().accepted < 3) await new Promise((resolve) => setImmediate(resolve))
    let closing: Promise<unknown> | undefined
    for await (const request of server) {
      closing ??= server.close()
      await pipe(request, request)
    }
    expect(await Promise.all(answers)).toEqual(['a', 'b', 'c'])
    expect(await closing).toMatchObject({ refused: 0, aborted: 0 })
  })

  it('serves those who sit in the backlog when the server is closed', async () => {
    const server = await tcp()
    const serving = drain(parallel(echo)(server))
    const { host, port } = server.address
    // This thread is blocked meanwhile: node:net accepts none of them before the close.
    const connecting = `
      let connected = 0
      for (let i = 0; i < 20; i++) require('node:net').connect(${port}, '${host}', () => ++connected === 20 && process.exit())
    `
    expect(spawnSync('node', ['-e', connecting]).status).toBe(0)
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ accepted: 20, refused: 0 })
  })

  it('refuses those who wait when the server is closed and no loop runs', async () => {
    const server = await tcp({ backend: 'node' })
    const client = await dial(server.address)
    while (server.stats().accepted < 1) await new Promise((resolve) => setImmediate(resolve))
    const end = received(client)
    expect(await server.close()).toMatchObject({ refused: 1 })
    expect((await end).length).toBe(0)
    client.destroy()
  })

  it('listens by itself', async () => {
    const server = new TCPServer({ host: '127.0.0.1', port: 0 })
    const parked = server.requests().next()
    await server.listen()
    const answer = exchange(server.address, 'x')
    const { value } = await parked
    await echo(value as StreamRequest)
    expect(await answer).toBe('x')
    await server.close()
  })
})

describe('what goes wrong with one request', () => {
  const modes = { sequential, parallel }
  for (const [name, mode] of Object.entries(modes)) {
    it(`does not end the loop: a handler that throws (${name})`, async () => {
      const server = await tcp()
      const outcomes: Settlement['status'][] = []
      const serving = (async () => {
        for await (const { status } of mode(async (request: Request) => {
          const line = await request.rfile.readLine({ chomp: true })
          if (line?.toString() === 'bad') throw new Error('no')
          await request.wfile.write('fine')
        })(server)) {
          outcomes.push(status)
        }
      })()
      expect(await exchange(server.address, 'bad')).toBe('')
      expect(await exchange(server.address, 'good')).toBe('fine')
      await server.close()
      await serving
      expect(outcomes).toEqual(['rejected', 'fulfilled'])
      expect(server.errors).toMatchObject([{ message: 'no' }])
      expect(server.stats()).toMatchObject({ served: 1, failed: 1, open: 0 })
    })
  }

  it('does not end the loop: a verifyRequest that says no, or throws', async () => {
    let asked = 0
    class Choosy extends TCPServer {
      override verifyRequest(): boolean {
        asked++
        if (asked === 1) return false
        if (asked === 2) throw new Error('cannot tell')
        return true
      }
    }
    const server = await new Choosy().listen()
    const errors: unknown[] = []
    server.handleError = (error) => void errors.push(error)
    const serving = drain(sequential(echo)(server))
    expect(await exchange(server.address, 'first')).toBe('')
    expect(await exchange(server.address, 'second')).toBe('')
    expect(await exchange(server.address, 'third')).toBe('third')
    expect(errors).toMatchObject([{ message: 'cannot tell' }])
    expect(server.stats()).toMatchObject({ accepted: 3, refused: 2, served: 1 })
    await server.close()
    await serving
  })

  it('does not end the loop: a client that resets in the middle of a line', async () => {
    const server = await tcp()
    const outcomes: string[] = []
    const serving = (async () => {
      for await (const outcome of sequential((request: Request) => request.rfile.readLine())(server)) {
        outcomes.push(outcome.status)
      }
    })()
    const client = await dial(server.address)
    client.write('half a li')
    while (server.stats().bytesIn < 9) await new Promise((resolve) => setImmediate(resolve))
    client.resetAndDestroy()
    expect(await exchange(server.address, 'whole\n')).toBe('')
    await server.close()
    await serving
    expect(outcomes).toEqual(['aborted', 'fulfilled'])
    expect(server.errors).toMatchObject([{ code: 'ERR_REQUEST_ABORTED', cause: 'peer-gone' }])
  })

  it('does not end the loop: a client that died while it waited', async () => {
    const server = await tcp({ backend: 'node' })
    const client = await dial(server.address)
    while (server.stats().accepted < 1) await new Promise((resolve) => setImmediate(resolve))
    client.resetAndDestroy()
    await once(client, 'close')
    const outcomes: string[] = []
    const serving = (async () => {
      for await (const outcome of sequential(echo)(server)) outcomes.push(outcome.status)
    })()
    expect(await exchange(server.address, 'alive')).toBe('alive')
    await server.close()
    await serving
    expect(outcomes).toEqual(['aborted', 'fulfilled'])
  })
})

describe('a mode over an idle server', () => {
  for (const [name, mode] of Object.entries({ sequential, parallel, verified: verify })) {
    it(`gives the server back and returns when it is left: ${name}`, async () => {
      const server = await tcp()
      const stage = (mode as typeof sequential)(echo as never)(server)
      const parked = stage.next()
      await stage.return?.()
      await server.closed
      expect(await parked).toMatchObject({ done: true })
      await expect(dial(server.address)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    })
  }

  it('waits for the running work when it is left', async () => {
    const server = await tcp()
    let release: (() => void) | undefined
    let finished = false
    const stage = parallel(async (request: Request) => {
      await new Promise<void>((resolve) => {
        release = resolve
      })
      await request.wfile.write('late')
      finished = true
    })(server)
    const parked = stage.next()
    const client = await dial(server.address)
    const reply = received(client)
    while (release === undefined) await new Promise((resolve) => setImmediate(resolve))
    const left = stage.return?.()
    expect(finished).toBe(false)
    release()
    await left
    expect(finished).toBe(true)
    expect((await reply).toString()).toBe('late')
    client.destroy()
    expect(await parked).toMatchObject({ done: true })
  })
})

describe('permits', () => {
  it('are taken before a request is pulled: limit n never holds request n + 1', async () => {
    const limit = 3
    const server = await tcp({ backend: 'node' })
    const held: StreamRequest[] = []
    const releases: (() => void)[] = []
    const serving = drain(
      parallel(
        (request: StreamRequest) => {
          held.push(request)
          return new Promise<void>((resolve) => releases.push(resolve))
        },
        { limit }
      )(server)
    )
    const clients = await Promise.all(Array.from({ length: 10 }, () => dial(server.address)))
    while (server.stats().accepted < 10) await new Promise((resolve) => setImmediate(resolve))
    for (let served = 0; served < 10; served++) {
      const running = Math.min(limit, 10 - served)
      while (releases.length < running) await new Promise((resolve) => setImmediate(resolve))
      expect(server.stats()).toMatchObject({ open: running, waiting: 10 - served - running })
      releases.shift()?.()
      const request = held.shift() as StreamRequest
      clients.find((client) => client.localPort === (request.clientAddress as { port: number }).port)?.end()
      await gone(request)
    }
    await server.close()
    await serving
  })
})

describe('a handler class', () => {
  class Traced extends StreamRequestHandler {
    static steps: string[] = []
    static fails = ''

    override setup(): void {
      this.#step('setup')
    }

    override handle(): void {
      this.#step('handle')
    }

    override finish(): void {
      this.#step('finish')
    }

    #step(step: string): void {
      Traced.steps.push(step)
      if (Traced.fails.includes(step)) throw new Error(step)
    }
  }

  const cases = [
    ['', ['setup', 'handle', 'finish'], 'fulfilled', []],
    ['setup', ['setup'], 'rejected', ['setup']],
    ['handle', ['setup', 'handle', 'finish'], 'rejected', ['handle']],
    ['finish', ['setup', 'handle', 'finish'], 'rejected', ['finish']],
    ['handle finish', ['setup', 'handle', 'finish'], 'rejected', ['finish', 'handle']]
  ] as const
  for (const [fails, steps, status, errors] of cases) {
    it(`runs finish whenever setup succeeded, and always closes: ${fails || 'nothing'} fails`, async () => {
      Traced.steps = []
      Traced.fails = fails
      const server = await tcp()
      const serving = (async () => {
        for await (const outcome of sequential(Traced)(server)) return outcome
        return undefined
      })()
      expect(await exchange(server.address, '')).toBe('')
      expect(await serving).toMatchObject({ status })
      expect(Traced.steps).toEqual(steps)
      expect(server.errors).toMatchObject(errors.map((message) => ({ message })))
    })
  }
})
