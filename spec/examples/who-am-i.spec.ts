import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'
import type { TLSServer, TLSServerOptions } from '../../lib/index.ts'
import { authority, filesOf, identity } from '../support/certificates.ts'
import { whoAmIServer } from './who-am-i.ts'

const run = promisify(execFile)

async function serving(options: Partial<TLSServerOptions> = {}): Promise<TLSServer> {
  const { cert, key } = identity('localhost')
  const server = await whoAmIServer({ cert, key, ca: authority().cert, ...options }).listen()
  server.handleError = () => {}
  const served = server.serveForever()
  onTestFinished(async () => {
    await server.close({ deadline: 0 })
    await served
  })
  return server
}

async function ask({ address }: TLSServer, ...words: string[]): Promise<string> {
  const trust = ['-CAfile', filesOf(authority()).certFile, '-verify_return_error', '-quiet']
  const client = run('openssl', ['s_client', '-connect', `127.0.0.1:${address.port}`, ...trust, ...words])
  client.child.stdin?.end()
  return (await client).stdout
}

function certificate(signer: 'ca' | 'other'): string[] {
  const { certFile, keyFile } = filesOf(identity('ada', signer))
  return ['-cert', certFile, '-key', keyFile]
}

it('knows a client by its certificate', async () => {
  const server = await serving()
  expect(await ask(server, ...certificate('ca'))).toMatch(/^you are ada at/)
  expect(await ask(server)).toMatch(/^you are a stranger at/)
  expect(await ask(server, ...certificate('other'))).toMatch(/^you are a stranger at/)
})

it('lets nobody else in where it is told so', async () => {
  const server = await serving({ rejectUnauthorized: true })
  expect(await ask(server, ...certificate('ca'))).toMatch(/^you are ada at/)
  await expect(ask(server)).rejects.toThrow()
  await expect(ask(server, ...certificate('other'))).rejects.toThrow()
  expect(server.stats()).toMatchObject({ accepted: 3, served: 1, refused: 2 })
})

it('agrees on a protocol', async () => {
  const server = await serving()
  expect(await ask(server, '-alpn', 'http/1.1,who')).toMatch(/by who\n$/)
  expect(await ask(server)).toMatch(/by no protocol\n$/)
  await expect(ask(server, '-alpn', 'http/1.1')).rejects.toThrow()
})

it('shows the certificate of the name that it is asked for', async () => {
  const server = await serving()
  const { cert, key } = identity('other.example')
  server.addContext('other.example', { cert, key })
  for (const name of ['localhost', 'other.example']) {
    expect(await ask(server, '-servername', name, '-verify_hostname', name)).toMatch(`at ${name} by`)
  }
})
