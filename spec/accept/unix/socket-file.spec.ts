import { type chmodSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { UnixDatagramServer, UnixStreamServer } from '../../lib/index.ts'
import { temporaryPath } from '../support/peers.ts'

/** Permissions before they were set: what others could see for a moment. */
const before: number[] = []
let atThatMoment: (path: string) => void = () => {}
vi.mock('node:fs', async (original) => {
  const real = await original<typeof import('node:fs')>()
  return {
    ...real,
    chmodSync: (...[path, mode]: Parameters<typeof chmodSync>) => {
      before.push(real.statSync(path).mode & 0o777)
      atThatMoment(String(path))
      real.chmodSync(path, mode)
    }
  }
})

describe('a socket file that is made', () => {
  let umask: number
  beforeEach(() => {
    umask = process.umask(0)
    before.length = 0
  })
  afterEach(() => {
    process.umask(umask)
    atThatMoment = () => {}
  })

  for (const Server of [UnixStreamServer, UnixDatagramServer]) {
    it(`is open to nobody for a moment to whom it shall not be: ${Server.name}`, async () => {
      for (const mode of [0o600, 0o660, 0]) {
        const path = temporaryPath()
        const server = await new Server({ path, mode }).listen()
        expect(before.pop()).toBe(mode)
        expect(statSync(path).mode & 0o777).toBe(mode)
        await server.close()
      }
    })
  }

  it('lets nobody in before it has its permissions', async () => {
    const path = temporaryPath()
    let early: Promise<unknown> | undefined
    atThatMoment = (there) => {
      // The kernel answers at once.
      early = new Promise((resolve) => connect(there).once('error', resolve).once('connect', resolve))
    }
    const server = await new UnixStreamServer({ path, mode: 0o600 }).listen()
    expect(await early).toMatchObject({ code: 'ECONNREFUSED' })
    await server.close()
  })
})
