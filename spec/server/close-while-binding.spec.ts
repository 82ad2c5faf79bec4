import dns from 'node:dns'
import dnsPromises from 'node:dns/promises'
import { existsSync, readdirSync, readlinkSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { describe, expect, it, onTestFinished } from 'vitest'
import { withClaimLock } from '../../lib/accept/unix/claim-lock.ts'
import {
  type Address,
  ClosedError,
  TCPServer,
  TLSServer,
  UDPServer,
  UnixDatagramServer,
  UnixStreamServer
} from '../../lib/index.ts'
import { deferred } from '../../lib/iterator/deferred.ts'
import { turn } from '../../lib/iterator/turn.ts'
import { certificates, temporaryPath } from '../support/peers.ts'

const backends = ['native', 'node'] as const
const nobody = { finished: 0, aborted: 0, refused: 0, stillOpen: [] }

/** The sockets that this process has open. */
function sockets(): string[] {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ''
    }
  })
  return links.filter((link) => link.startsWith('socket:')).sort()
}

/** Look-ups of names wait until they are answered. */
function slowNames(): { asked: Promise<void>; answer: (error?: Error) => void } {
  const asked = deferred<void>()
  const answered = deferred<Error | undefined>()
  const { lookup } = dns
  const { lookup: lookupPromise } = dnsPromises
  dns.lookup = ((_name: string, ...rest: unknown[]) => {
    asked.resolve()
    const callback = rest.at(-1) as (...result: unknown[]) => void
    const options = rest[0] as { all?: boolean }
    const found = { address: '127.0.0.1', family: 4 }
    void answered.promise.then((error) => {
      if (error !== undefined) callback(error)
      else if (options.all === true) callback(null, [found])
      else callback(null, found.address, found.family)
    })
  }) as never
  dnsPromises.lookup = (async () => {
    asked.resolve()
    const error = await answered.promise
    if (error !== undefined) throw error
    return { address: '127.0.0.1', family: 4 }
  }) as never
  syncBuiltinESMExports()
  onTestFinished(() => {
    dns.lookup = lookup
    dnsPromises.lookup = lookupPromise
    syncBuiltinESMExports()
  })
  return { asked: asked.promise, answer: answered.resolve }
}

interface Subject {
  readonly address: Address
  fileno(): number | undefined
}

/** Everything is over, and nothing is left. */
async function isOver(server: Subject, listening: Promise<unknown>, before: string[]): Promise<void> {
  await expect(listening).rejects.toThrow()
  // An answer that came later still.
  for (let i = 0; i < 3; i++) await turn()
  expect(sockets()).toEqual(before)
  expect(server.fileno()).toBeUndefined()
  expect(() => server.address).toThrow('does not listen')
}

describe('a close whose deadline comes before the server listens', () => {
  for (const backend of backends) {
    const makers = {
      TCP: () => new TCPServer({ host: 'localhost', backend }),
      UDP: () => new UDPServer({ host: 'localhost', backend }),
      TLS: () => new TLSServer({ host: 'localhost', ...certificates(), backend })
    }
    for (const [name, make] of Object.entries(makers)) {
      it(`leaves nothing open: a name that is looked up for long, ${name}, ${backend}`, async () => {
        for (const error of [undefined, Object.assign(new Error('nowhere'), { code: 'ENOTFOUND' })]) {
          const before = sockets()
          const names = slowNames()
          const server = make()
          const listening = server.listen()
          listening.catch(() => {})
          await names.asked
          expect(await server.close({ deadline: 0 })).toEqual(nobody)
          names.answer(error)
          if (error === undefined) await expect(listening).rejects.toThrow(ClosedError)
          await isOver(server, listening, before)
        }
      })
    }
  }

  const atPath = {
    'connections, native': (path: string) => new UnixStreamServer({ path, backend: 'native' }),
    'connections, node': (path: string) => new UnixStreamServer({ path, backend: 'node' }),
    datagrams: (path: string) => new UnixDatagramServer({ path })
  }
  for (const [name, make] of Object.entries(atPath)) {
    it(`leaves nothing open: a path that somebody else claims, ${name}`, async () => {
      const path = temporaryPath()
      const before = sockets()
      const server = make(path)
      let listening: Promise<unknown> | undefined
      await withClaimLock(path, async () => {
        listening = server.listen()
        listening.catch(() => {})
        await turn()
        expect(await server.close({ deadline: 0 })).toEqual(nobody)
      })
      await expect(listening).rejects.toThrow(ClosedError)
      await isOver(server, listening as Promise<unknown>, before)
      expect(existsSync(path)).toBe(false)
    })
  }

  for (const backend of backends) {
    for (const hook of ['serverBind', 'serverActivate'] as const) {
      it(`leaves nothing open: a ${hook} that takes long, ${backend}`, async () => {
        for (const Server of [TCPServer, UDPServer]) {
          const before = sockets()
          const gate = deferred<void>()
          const server = new (class extends (Server as typeof TCPServer) {
            override async serverBind(): Promise<void> {
              if (hook === 'serverBind') await gate.promise
              await super.serverBind()
            }
            override async serverActivate(): Promise<void> {
              if (hook === 'serverActivate') await gate.promise
              await super.serverActivate()
            }
          })({ backend })
          const listening = server.listen()
          listening.catch(() => {})
          await turn()
          expect(await server.close({ deadline: 0 })).toEqual(nobody)
          gate.resolve()
          await expect(listening).rejects.toThrow(ClosedError)
          await isOver(server, listening, before)
        }
      })
    }
  }

  it('gives back what hooks bound after the release', async () => {
    const gate = deferred<void>()
    const open = new Set<string>()
    const server = new (class extends TCPServer {
      override async serverBind(): Promise<void> {
        await gate.promise
        open.add('resource')
      }
      protected override serverRelease(): void {
        open.delete('resource')
      }
    })({ port: 0 })
    const listening = server.listen()
    listening.catch(() => {})
    await turn()
    await server.close({ deadline: 0 })
    gate.resolve()
    await expect(listening).rejects.toThrow(ClosedError)
    for (let i = 0; i < 3; i++) await turn()
    expect([...open]).toEqual([])
  })
})
