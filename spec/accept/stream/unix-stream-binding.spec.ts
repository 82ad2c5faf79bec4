import { closeSync, fstatSync, openSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { UnixStreamServer } from '../../../lib/index.ts'
import { temporaryPath } from '../../support/peers.ts'

interface Handle {
  readonly fd: number
  open(fd: number): number
  listen(backlog: number): number
  close(callback?: () => void): void
}

const EACCES = -13

/** What Node's Unix sockets do, until the test is over. */
async function handles(change: (real: Handle) => Partial<Handle>): Promise<void> {
  const server = createServer() as Server & { _handle: Handle }
  await new Promise<void>((resolve) => server.listen(temporaryPath(), resolve))
  const shared = Object.getPrototypeOf(server._handle) as Handle
  server.close()
  const { open, listen, close } = shared
  Object.assign(shared, change({ open, listen, close } as Handle))
  onTestFinished(() => void Object.assign(shared, { open, listen, close }))
}

it('closes no descriptor of somebody else where Node took the socket and could not listen', async () => {
  let closed = -1
  let other = -1
  await handles((real) => ({
    listen: () => EACCES,
    close(this: Handle, callback) {
      closed = this.fd
      real.close.call(this, callback)
      other = openSync('/dev/null', 'r')
    }
  }))
  const server = new UnixStreamServer({ path: `\0it-socketserver-${process.pid}`, backend: 'node' })
  await expect(server.listen()).rejects.toMatchObject({ code: 'EACCES' })
  expect(other).toBe(closed)
  expect(fstatSync(other).isCharacterDevice()).toBe(true)
  closeSync(other)
})

it('closes the descriptor where Node did not take the socket', async () => {
  let refused = -1
  await handles(() => ({
    open(fd) {
      refused = fd
      return EACCES
    }
  }))
  const server = new UnixStreamServer({ path: `\0it-socketserver-${process.pid}`, backend: 'node' })
  await expect(server.listen()).rejects.toThrow()
  expect(refused).toBeGreaterThanOrEqual(0)
  expect(() => fstatSync(refused)).toThrow('EBADF')
})
