import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type InternetAddress, parallel, type StreamRequest, StreamRequestHandler } from '../../lib/index.ts'
import { authority, certificateFile, filesOf, identity } from '../support/certificates.ts'
import { certificates } from '../support/peers.ts'
import { tcp, tls } from '../support/servers.ts'

/** `openssl s_client`, which trusts our authority. */
function client(address: InternetAddress, ...args: string[]): ChildProcessWithoutNullStreams {
  const { certFile } = filesOf(authority())
  const target = ['-connect', `${address.host}:${address.port}`, '-CAfile', certFile]
  return spawn('openssl', ['s_client', ...target, ...args])
}

/** All that it prints until it exits; its input is ended when `until` has been printed. */
async function run(process: ChildProcessWithoutNullStreams, input: string, until: RegExp): Promise<string> {
  let printed = ''
  const look = (text: Buffer): void => {
    printed += text.toString()
    if (until.test(printed)) process.stdin.end()
  }
  process.stdout.on('data', look)
  process.stderr.on('data', look)
  process.stdin.on('error', () => {})
  process.stdin.write(input)
  await once(process, 'close')
  return printed
}

class Facts extends StreamRequestHandler {
  override async handle(): Promise<void> {
    for await (const line of this.rfile.lines({ chomp: true })) {
      const { tlsVersion, servername, alpnProtocol, peerCertificate, authorized } = this.connection
      const facts = [tlsVersion, servername, alpnProtocol, peerCertificate?.subject.CN, authorized]
      await this.wfile.write(`${line.toString()}: ${facts.join(' ')}\n`)
    }
  }
}

const serve = parallel(Facts)

async function drainFacts(server: Awaited<ReturnType<typeof tls>>): Promise<void> {
  for await (const _ of serve(server));
}

describe('openssl s_client', () => {
  it('gets a certificate that it trusts, a protocol and a name', async () => {
    const server = await tls({ ALPNProtocols: ['imap', 'pop3'] })
    server.addContext('one.test', identity('one.test'))
    const serving = drainFacts(server)
    const args = ['-servername', 'one.test', '-verify_hostname', 'one.test', '-alpn', 'pop3,smtp']
    const printed = await run(client(server.address, ...args), 'facts\n', /facts: .*\n/)
    expect(printed).toContain('facts: TLSv1.3 one.test pop3  false\n')
    expect(printed).toContain('Verification: OK')
    expect(printed).toContain('Verified peername: one.test')
    await server.close()
    await serving
  })

  it('shows its own certificate, or is kept out', async () => {
    const server = await tls({ requestCert: true, ca: authority().cert })
    const serving = drainFacts(server)
    const { certFile, keyFile } = filesOf(identity('client'))
    const shown = await run(
      client(server.address, '-cert', certFile, '-key', keyFile, '-tls1_2', '-servername', 'localhost'),
      'facts\n',
      /facts: .*\n/
    )
    expect(shown).toContain('facts: TLSv1.2 localhost  client true\n')
    const missing = await run(client(server.address), 'facts\n', /alert/)
    expect(missing).not.toContain('facts: ')
    expect(server.stats()).toMatchObject({ accepted: 2, refused: 1 })
    await server.close()
    await serving
  })

  for (const version of ['-tls1_2', '-tls1_3']) {
    it(`resumes its session: ${version}`, async () => {
      const server = await tls()
      const serving = drainFacts(server)
      const session = certificateFile(`session${version}`)
      rmSync(session, { force: true })
      const first = await run(client(server.address, version, '-sess_out', session), 'one\n', /one: .*\n/)
      expect(first).toContain('New, TLSv1.')
      const second = await run(client(server.address, version, '-sess_in', session), 'two\n', /two: .*\n/)
      expect(second).toContain('Reused, TLSv1.')
      await server.close()
      await serving
    })
  }

  it('goes on by STARTTLS in a conversation of SMTP', async () => {
    const options = certificates()
    class Smtp extends StreamRequestHandler {
      override async handle(): Promise<void> {
        void this.wfile.write('220 localhost ESMTP\r\n')
        for await (const line of this.rfile.lines({ chomp: true })) {
          const [verb = ''] = line.toString().toUpperCase().split(' ')
          if (verb === 'EHLO') {
            void this.wfile.write(this.connection.encrypted ? '250 localhost\r\n' : '250-localhost\r\n250 STARTTLS\r\n')
          } else if (verb === 'STARTTLS') {
            void this.wfile.write('220 go ahead\r\n')
            await this.connection.startTLS(options)
          } else if (verb === 'NOOP') void this.wfile.write(`250 ${this.connection.tlsVersion ?? 'plain'}\r\n`)
          else if (verb === 'QUIT') {
            await this.wfile.write('221 bye\r\n')
            return
          }
        }
      }
    }
    const server = await tcp()
    const outcome = server.handleRequest(Smtp)
    const args = ['-starttls', 'smtp', '-crlf', '-quiet', '-verify_quiet', '-verify_return_error']
    const printed = await run(client(server.address, ...args), 'NOOP\nquit\n', /221 bye/)
    expect(printed).toContain('250 TLSv1.3\r\n')
    expect(printed).toContain('221 bye')
    expect(await outcome).toMatchObject({ status: 'fulfilled' })
    expect((await outcome)?.request).toMatchObject({ encrypted: true } satisfies Partial<StreamRequest>)
  })
})
