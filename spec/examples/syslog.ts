import { BaseRequestHandler, type HandlerClass } from 'it-socketserver'

/** A syslog message, as RFC 3164 and RFC 5424 have it. */
export interface SyslogMessage {
  /** 0, the kernel's, to 23, `local7`. */
  readonly facility: number
  /** 0, an emergency, to 7, debugging. */
  readonly severity: number
  /** All that follows the priority. */
  readonly text: string
}

/** Splits a message; one without priority is a notice of a user, as the RFCs say. */
export function parseSyslog(packet: Buffer): SyslogMessage {
  const [, digits, rest] = /^<(\d{1,3})>(.*)$/s.exec(packet.toString()) ?? []
  const priority = digits === undefined ? Number.NaN : Number(digits)
  if (!(priority <= 191)) return { facility: 1, severity: 5, text: packet.toString().trimEnd() }
  return { facility: priority >> 3, severity: priority & 7, text: (rest ?? '').trimEnd() }
}

/**
 * A handler that takes messages and answers nothing. It does not know how they came: `logger --udp`, `logger -u /path`
 * and, behind `framed(lines())`, `logger --tcp` are all the same to it.
 */
export function syslogHandler(take: (message: SyslogMessage) => void): HandlerClass {
  return class extends BaseRequestHandler {
    override async handle(): Promise<void> {
      take(parseSyslog(await this.rfile.readAll({ limit: 65_536 })))
    }
  }
}
