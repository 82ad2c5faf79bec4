import { LimitExceededError, StreamRequestHandler, type TCPServerOptions, ThreadingTCPServer } from 'it-socketserver'

/** What was delivered. */
export interface Mail {
  readonly from: string
  readonly to: readonly string[]
  /** Header and body, lines ended by CRLF. */
  readonly text: string
  /** Whether it came over TLS. */
  readonly encrypted: boolean
}

/** What the server is made of. */
export interface MailboxOptions extends TCPServerOptions {
  /** PEM, for STARTTLS. */
  readonly key: string
  /** PEM, for STARTTLS. */
  readonly cert: string
  /** Takes a mail; where it throws, the client is told to try later. */
  readonly deliver: (mail: Mail) => void | Promise<void>
}

const longestCommand = 1_024
const largestMail = 1_048_576
const mostRecipients = 100
const dot = 0x2e
const lastLine = Buffer.from('.\r\n')

/** SMTP with STARTTLS, as far as it takes to receive mail: RFC 5321 and RFC 3207. */
class SMTPHandler extends StreamRequestHandler<Mailbox> {
  override timeout = 300_000
  #from: string | undefined
  #to: string[] = []

  override async handle(): Promise<void> {
    await this.#say('220 localhost ESMTP')
    for (;;) {
      const line = await this.#command()
      if (line === undefined) return
      const [verb = '', rest = ''] = line.split(/ (.*)/s)
      if (verb.toUpperCase() === 'QUIT') {
        await this.#say('221 Bye')
        return
      }
      await this.#obey(verb.toUpperCase(), rest)
    }
  }

  async #obey(verb: string, rest: string): Promise<void> {
    switch (verb) {
      case 'HELO':
        return this.#say('250 localhost')
      case 'EHLO':
        return this.#say(this.connection.encrypted ? '250 localhost' : '250-localhost\r\n250 STARTTLS')
      case 'STARTTLS':
        return this.#secure()
      case 'MAIL':
        this.#from = /^FROM:<(.*?)>/i.exec(rest)?.[1]
        this.#to = []
        return this.#say(this.#from === undefined ? '501 Which sender?' : '250 OK')
      case 'RCPT':
        return this.#recipient(/^TO:<(.+?)>/i.exec(rest)?.[1])
      case 'DATA':
        return this.#data()
      case 'RSET':
        this.#reset()
        return this.#say('250 OK')
      case 'NOOP':
        return this.#say('250 OK')
      default:
        return this.#say('502 No such command')
    }
  }

  async #secure(): Promise<void> {
    if (this.connection.encrypted) return this.#say('503 Encrypted already')
    await this.#say('220 Go ahead')
    await this.connection.startTLS(this.server.secure)
    // What was said in plain text does not count.
    this.#reset()
  }

  async #recipient(address: string | undefined): Promise<void> {
    if (this.#from === undefined) return this.#say('503 First the sender')
    if (address === undefined) return this.#say('501 Which recipient?')
    if (this.#to.length >= mostRecipients) return this.#say('452 Too many recipients')
    this.#to.push(address)
    return this.#say('250 OK')
  }

  async #data(): Promise<void> {
    if (this.#from === undefined || this.#to.length === 0) return this.#say('503 First the recipients')
    await this.#say('354 End with a dot')
    let text = ''
    let size = 0
    for (;;) {
      // Only CRLF ends a line: where a bare LF would too, one mail could smuggle another past a relay.
      const line = await this.rfile.readUntil('\r\n')
      if (line === undefined) return
      if (line.equals(lastLine)) return this.#deliver(size > largestMail ? undefined : text)
      size += line.length
      // A dot at the start is doubled by the client.
      if (size <= largestMail) text += line.toString('utf8', line[0] === dot ? 1 : 0)
    }
  }

  async #deliver(text: string | undefined): Promise<void> {
    const { encrypted } = this.connection
    try {
      if (text === undefined) return await this.#say('552 Too large')
      await this.server.deliver({ from: this.#from ?? '', to: this.#to, text, encrypted })
      return await this.#say('250 Delivered')
    } catch {
      return await this.#say('451 Try again later')
    } finally {
      this.#reset()
    }
  }

  async #command(): Promise<string | undefined> {
    try {
      return (await this.rfile.readUntil('\r\n', { limit: longestCommand }))?.toString().slice(0, -2)
    } catch (error) {
      if (error instanceof LimitExceededError) await this.#say('500 Line too long')
      throw error
    }
  }

  #reset(): void {
    this.#from = undefined
    this.#to = []
  }

  #say(line: string): Promise<void> {
    return this.wfile.write(`${line}\r\n`)
  }
}

/** A mailbox: what is sent to it is given to `deliver`. */
export class Mailbox extends ThreadingTCPServer {
  readonly secure: { readonly key: string; readonly cert: string }
  readonly deliver: MailboxOptions['deliver']

  constructor({ key, cert, deliver, ...options }: MailboxOptions) {
    super({ ...options, limit: 1_000 }, SMTPHandler)
    this.secure = { key, cert }
    this.deliver = deliver
  }
}
