import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectTLS } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { drain, forked, type Outcome, type Request, type Stage, threads } from '../../../lib/index.ts'
import { certificateFile, filesOf } from '../../support/certificates.ts'
import { handlerModule } from '../../support/handler-module.ts'
import { certificates, dial, dialTLS, exchange, exchangeStartTLS, exchangeTLS, received } from '../../support/peers.ts'
import { tcp, tls, unix } from '../../support/servers.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

const { certFile, keyFile } = filesOf(certificates())

const files = `
  import { readFileSync } from 'node:fs'
  const files = () => ({ key: readFileSync('${keyFile}'), cert: readFileSync('${certFile}') })
`
const encrypted = handlerModule(`${files}
  export const secureContext = async () => ({ ...files(), ALPNProtocols: ['upper'] })
  export default async (request) => {
    const { encrypted, alpnProtocol, servername, tlsVersion } = request
    for await (const line of request.rfile.lines()) await request.wfile.write(line.toString().toUpperCase())
    return { encrypted, alpnProtocol, servername, tlsVersion }
  }
`)

const modes: Record<string, (module: URL) => Stage<Request, Outcome<Request>>> = {
  forked: (module) => forked(module, { maxChildren: 1 }),
  threads: (module) => threads(module, { size: 1 })
}

/** The outcomes, as they come. */
function outcomesOf(stage: Stage<Request, Outcome<Request>>, server: AsyncIterable<Request>) {
  return (stage(server) as AsyncIterable<Outcome<Request>>)[Symbol.asyncIterator]()
}

for (const [name, mode] of Object.entries(modes)) {
  describe(`TLS in a worker: ${name}`, () => {
    it('is what the secureContext of its module says, with the handshake there', async () => {
      const server = await tcp()
      const outcomes = outcomesOf(mode(encrypted), server)
      const next = outcomes.next()
      const socket = await dialTLS(server.address, { ALPNProtocols: ['upper'] })
      expect(socket.alpnProtocol).toBe('upper')
      expect(socket.authorized).toBe(true)
      socket.end('secret\nwords\n')
      expect(String(await received(socket))).toBe('SECRET\nWORDS\n')
      expect((await next).value).toMatchObject({
        status: 'fulfilled',
        value: { encrypted: true, alpnProtocol: 'upper', servername: 'localhost', tlsVersion: 'TLSv1.3' },
        request: { encrypted: false }
      })
      await server.close()
      await outcomes.next()
    })

    it('is spoken by openssl', async () => {
      const server = await tcp()
      const serving = drain(mode(encrypted)(server))
      const args = ['s_client', '-connect', `127.0.0.1:${server.address.port}`, '-CAfile', certificateFile('ca.pem')]
      const client = spawn('openssl', [...args, '-verify_return_error'], { stdio: ['pipe', 'pipe', 'ignore'] })
      onTestFinished(() => void client.kill('SIGKILL'))
      let said = ''
      client.stdin.write('by openssl\n')
      while (!said.includes('BY OPENSSL\n')) said += String((await once(client.stdout, 'data'))[0])
      expect(said).toContain('Verify return code: 0 (ok)')
      client.stdin.end()
      await once(client, 'exit')
      await server.close()
      await serving
    })

    it('aborts a connection whose handshake fails, and goes on', async () => {
      const server = await tcp()
      const outcomes = outcomesOf(mode(encrypted), server)
      const next = outcomes.next()
      const plain = await dial(server.address)
      plain.end('GET / HTTP/1.0\r\n\r\n')
      await received(plain).catch(() => {})
      expect((await next).value).toMatchObject({
        status: 'aborted',
        reason: { name: 'AbortedError', cause: 'handshake' }
      })
      expect(server.errors).toHaveLength(1)
      const second = outcomes.next()
      expect(await exchangeTLS(server.address, 'after that\n')).toBe('AFTER THAT\n')
      expect((await second).value).toMatchObject({ status: 'fulfilled' })
      await server.close()
      await outcomes.next()
    })

    it('begins in the middle of a conversation', async () => {
      const module = handlerModule(`${files}
        const options = files()
        export default async (request) => {
          const line = await request.rfile.readLine({ chomp: true })
          if (line.toString() !== 'STARTTLS') return request.wfile.end('in plain text')
          await request.wfile.write('go ahead\\r\\n')
          await request.startTLS(options)
          await request.wfile.write('nobody else reads this')
        }
      `)
      // A thread can't be given a socket of Node's: its bytes are brought, and it has nothing to encrypt.
      for (const server of [
        await tcp({ backend: 'native' }),
        await tcp({ backend: name === 'forked' ? 'node' : 'native' })
      ]) {
        const serving = drain(mode(module)(server))
        expect(await exchangeStartTLS(server.address, 'STARTTLS\r\n')).toBe('nobody else reads this')
        expect(await exchange(server.address, 'HELP\r\n')).toBe('in plain text')
        await server.close()
        await serving
      }
    })

    it('comes decrypted from a TLSServer, whatever the module says', async () => {
      const server = await tls()
      const outcomes = outcomesOf(mode(encrypted), server)
      const next = outcomes.next()
      expect(await exchangeTLS(server.address, 'a\nb')).toBe('A\nB')
      expect((await next).value).toMatchObject({ status: 'fulfilled', value: { encrypted: false } })
      await server.close()
      await outcomes.next()
    })
  })
}

describe('TLS in a child', () => {
  it('is had by a Unix connection too', async () => {
    const server = await unix()
    const serving = drain(forked(encrypted, { maxChildren: 1 })(server))
    const socket = connectTLS({
      path: (server.address as { path: string }).path,
      rejectUnauthorized: false,
      allowHalfOpen: true
    } as never)
    await once(socket, 'secureConnect')
    socket.end('by path\n')
    expect(String(await received(socket))).toBe('BY PATH\n')
    await server.close()
    await serving
  })
})
