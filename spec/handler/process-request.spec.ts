import { describe, expect, it } from 'vitest'
import {
  BaseServer,
  MessageRequest,
  type Request,
  type Settlement,
  sequential,
  TCPServer,
  type Work
} from '../../lib/index.ts'
import { exchange } from '../support/peers.ts'

describe('a processRequest that forgets to wait for the work', () => {
  it('does not close the request under its handler', async () => {
    class Forgetful extends TCPServer {
      override processRequest(request: never, work: Work): void {
        void super.processRequest(request, work)
      }
    }
    const server = await new Forgetful().listen()
    const outcome = server.handleRequest(async (request: Request) => {
      await new Promise((resolve) => setImmediate(resolve))
      await request.wfile.write('all the same')
    })
    expect(await exchange(server.address, '')).toBe('all the same')
    expect(await outcome).toMatchObject({ status: 'fulfilled' })
    await server.close()
  })

  it('does not commit a message whose handler fails later', async () => {
    const released: Settlement['status'][] = []
    const rows = ['one']
    class Forgetful extends BaseServer<MessageRequest> {
      override getRequest(): MessageRequest | undefined {
        const packet = rows.shift()
        const release = ({ status }: Settlement) => released.push(status)
        return packet === undefined ? undefined : new MessageRequest({ server: this, packet, release })
      }

      override processRequest(request: MessageRequest, work: Work): void {
        void super.processRequest(request, work)
      }

      override handleError(): void {}
    }
    for await (const { status } of sequential(async () => {
      await new Promise((resolve) => setImmediate(resolve))
      throw new Error('late')
    })(new Forgetful())) {
      expect(status).toBe('rejected')
    }
    expect(released).toEqual(['rejected'])
  })
})

describe('a generator given as a handler', () => {
  it('is a TypeError that names through()', async () => {
    const server = await new TCPServer().listen()
    server.handleError = () => {}
    const outcome = server.handleRequest(async function* () {
      yield 'never sent'
    })
    expect(await exchange(server.address, '')).toBe('')
    expect(await outcome).toMatchObject({
      status: 'rejected',
      reason: { message: expect.stringContaining('through()') }
    })
    await server.close()
  })
})
