import { execFile, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'
import { authority, filesOf, identity } from '../support/certificates.ts'
import { exchange, temporaryPath } from '../support/peers.ts'
import { type Mail, Mailbox } from './smtp.ts'

const run = promisify(execFile)

async function serving(deliver?: (mail: Mail) => void): Promise<{ mailbox: Mailbox; mails: Mail[] }> {
  const mails: Mail[] = []
  const { key, cert } = identity('localhost')
  const mailbox = new Mailbox({ key, cert, deliver: deliver ?? ((mail) => void mails.push(mail)) })
  mailbox.handleError = () => {}
  await mailbox.listen()
  const served = mailbox.serveForever()
  onTestFinished(async () => {
    await mailbox.close({ deadline: 0 })
    await served
  })
  return { mailbox, mails }
}

function letter(text: string): string {
  const file = join(temporaryPath(), '..', 'letter')
  writeFileSync(file, text)
  return file
}

async function curl({ address }: Mailbox, text: string, ...words: string[]): Promise<string> {
  const { stderr } = await run('curl', [
    ...['--silent', '--verbose', '--max-time', '10', `smtp://localhost:${address.port}`],
    ...['--resolve', `localhost:${address.port}:127.0.0.1`, '--cacert', filesOf(authority()).certFile],
    ...['--mail-from', 'ada@example.org', '--mail-rcpt', 'bob@example.org', '--mail-rcpt', 'eve@example.org'],
    ...['--upload-file', letter(text), ...words]
  ])
  return stderr
}

it('takes a mail from curl, encrypted by STARTTLS', async () => {
  const { mailbox, mails } = await serving()
  const conversation = await curl(mailbox, 'Subject: hi\r\n\r\nhello\r\n.a dot\r\n', '--ssl-reqd')
  expect(conversation).toMatch('< 220 Go ahead')
  expect(mails).toEqual([
    {
      from: 'ada@example.org',
      to: ['bob@example.org', 'eve@example.org'],
      text: 'Subject: hi\r\n\r\nhello\r\n.a dot\r\n',
      encrypted: true
    }
  ])
})

it('takes one in plain text from a client that does not care', async () => {
  const { mailbox, mails } = await serving()
  await curl(mailbox, 'Subject: hi\r\n\r\nhello\r\n')
  expect(mails).toMatchObject([{ encrypted: false }])
})

it('tells the client to try later where a mail could not be delivered', async () => {
  const { mailbox } = await serving(() => {
    throw new Error('the disk is full')
  })
  await expect(curl(mailbox, 'Subject: hi\r\n\r\nhello\r\n')).rejects.toMatchObject({
    stderr: expect.stringContaining('< 451 Try again later') as unknown
  })
})

it('talks to openssl s_client -starttls smtp', async () => {
  const { mailbox, mails } = await serving()
  const client = spawn('openssl', [
    ...['s_client', '-connect', `127.0.0.1:${mailbox.address.port}`, '-starttls', 'smtp', '-crlf', '-quiet'],
    ...['-verify_return_error', '-CAfile', filesOf(authority()).certFile, '-verify_hostname', 'localhost']
  ])
  client.stdin.end('MAIL FROM:<a@b>\nRCPT TO:<c@d>\nDATA\nhello\n.\nQUIT\n')
  let answer = ''
  for await (const text of client.stdout.setEncoding('utf8')) answer += text as string
  expect(answer.split('\r\n').map((line) => line.slice(0, 3))).toEqual(['250', '250', '354', '250', '221', ''])
  expect(mails).toEqual([{ from: 'a@b', to: ['c@d'], text: 'hello\r\n', encrypted: true }])
})

it('serves nothing that came in plain text behind STARTTLS', async () => {
  const { mailbox, mails } = await serving()
  const injected = 'MAIL FROM:<evil@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhello\r\n.\r\n'
  expect(await exchange(mailbox.address, `EHLO me\r\nSTARTTLS\r\n${injected}`)).not.toMatch('354')
  expect(mails).toEqual([])
  expect(mailbox.stats()).toMatchObject({ failed: 1 })
})

it('takes a bare LF for the end of no line, so that no mail hides in another', async () => {
  const { mailbox, mails } = await serving()
  const text = 'one\n.\nMAIL FROM:<evil@b>\nRCPT TO:<c@d>\nDATA\ntwo\r\n'
  await exchange(mailbox.address, `MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n${text}.\r\nQUIT\r\n`)
  expect(mails).toEqual([{ from: 'a@b', to: ['c@d'], text, encrypted: false }])
})

it('answers what it can not obey', async () => {
  const { mailbox } = await serving()
  const answers = {
    'RCPT TO:<c@d>': '503',
    DATA: '503',
    'MAIL a@b': '501',
    'MAIL FROM:<a@b>\r\nRCPT c@d': '501',
    'VRFY c@d': '502',
    NOOP: '250',
    RSET: '250',
    ['x'.repeat(2_000)]: '500'
  }
  for (const [command, code] of Object.entries(answers)) {
    const answer = await exchange(mailbox.address, `${command}\r\n`)
    expect(answer.trimEnd().split('\r\n').at(-1)).toMatch(new RegExp(`^${code} `))
  }
})
