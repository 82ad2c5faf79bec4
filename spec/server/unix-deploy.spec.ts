import { existsSync, renameSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ListenError, parallel, type Report, type StreamRequest, UnixStreamServer } from '../../lib/index.ts'
import { deferred } from '../../lib/iterator/deferred.ts'
import { dial, exchange, received, temporaryPath } from '../support/peers.ts'

/** A server that answers who it is when its gate opens, if it has one. */
class Named extends UnixStreamServer {
  readonly begun = deferred<void>()
  #serving: Promise<Report> | undefined

  constructor(path: string, backend: 'native' | 'node', name: string, gate?: Promise<void>) {
    super({ path, backend }, async (request: StreamRequest) => {
      this.begun.resolve()
      await gate
      await request.wfile.end(name)
    })
  }

  async serve(): Promise<this> {
    onTestFinished(() => this.stop(0))
    await this.listen()
    this.#serving = this.serveForever(parallel(this.handler as (request: StreamRequest) => Promise<void>, { limit: 1 }))
    return this
  }

  async stop(deadline = Number.POSITIVE_INFINITY): Promise<void> {
    await this.close({ deadline })
    await this.#serving
  }
}

describe.for(['native', 'node'] as const)('at the path of a Unix server, a successor (%s)', (backend) => {
  it('does not listen as long as the one before it does, and leaves that alone', async () => {
    const path = temporaryPath()
    await new Named(path, backend, 'first').serve()
    const error: unknown = await new Named(path, backend, 'second').listen().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ListenError)
    expect(error).toMatchObject({ code: 'EADDRINUSE' })
    expect(await exchange({ family: 'unix', path })).toBe('first')
  })

  it('listens while that drains: in between, and only then, clients find nobody', async () => {
    const path = temporaryPath()
    const address = { family: 'unix', path } as const
    const gate = deferred<void>()
    const first = await new Named(path, backend, 'first', gate.promise).serve()
    const inside = received(await dial(address))
    await first.begun.promise
    // There is no room for this one yet.
    const waiting = received(await dial(address))
    const stopping = first.stop()
    while (existsSync(path)) await new Promise(setImmediate)
    await expect(dial(address)).rejects.toMatchObject({ code: 'ENOENT' })

    const second = await new Named(path, backend, 'second').serve()
    expect(await exchange(address)).toBe('second')
    gate.resolve()
    expect([String(await inside), String(await waiting)]).toEqual(['first', 'first'])
    await stopping
    expect(first.stats()).toMatchObject({ served: 2, failed: 0, refused: 0 })
    // It is not the first one's to take away.
    expect(await exchange(address)).toBe('second')
    await second.stop()
    expect(existsSync(path)).toBe(false)
  })

  it('may take the place of one that lives, by a new name: nobody finds it empty', async () => {
    const path = temporaryPath()
    const address = { family: 'unix', path } as const
    const gate = deferred<void>()
    const first = await new Named(path, backend, 'first', gate.promise).serve()
    const inside = received(await dial(address))
    await first.begun.promise
    const waiting = received(await dial(address))
    const second = await new Named(`${path}.next`, backend, 'second').serve()
    renameSync(`${path}.next`, path)
    expect(await exchange(address)).toBe('second')
    const stopping = first.stop()
    gate.resolve()
    expect([String(await inside), String(await waiting)]).toEqual(['first', 'first'])
    await stopping
    expect(await exchange(address)).toBe('second')
    // It took away what it knew as its own, and whoever comes next replaces what is left behind.
    await second.stop()
    expect(existsSync(path)).toBe(true)
    await new Named(path, backend, 'third').serve()
    expect(await exchange(address)).toBe('third')
  })
})
