import { parseArgs } from 'node:util'

/** What the command was asked to do. */
export interface CommandArguments {
  readonly host: string
  readonly port: number
  readonly limit: number
  readonly help: boolean
}

export const usage = `Usage: it-socketserver [options]

Serves lines on TCP, and datagrams on UDP, with one handler: every line comes back in capitals.

  --host <address>   where to listen (default: 127.0.0.1, this machine only)
  --port <number>    the port of both; 0 for one that is free, each its own (default: 9000)
  --limit <number>   connections served at a time; more wait for their turn (default: 40)
  --help             this text

In a line: "time" tells the time, "stats" what was served, "quit" ends the connection.
Ctrl-C stops it: those being served get 5 seconds to finish; Ctrl-C again stops at once.
Where a service manager has opened the sockets (systemd), it serves on those, and not on --host and --port.
`

/** A wrong command line; the message says what is wrong with it. */
export class UsageError extends Error {}

/**
 * Read the command line.
 *
 * @param argv - the words after the command
 */
export function readArguments(argv: readonly string[]): CommandArguments {
  const { host, port, limit, help } = parse(argv)
  if (host === '') throw new UsageError('--host takes an address: got ""')
  return { host, port: whole('port', port, 0, 65_535), limit: whole('limit', limit, 1, 1_000_000), help }
}

function parse(argv: readonly string[]): { host: string; port: string; limit: string; help: boolean } {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        host: { type: 'string', default: '127.0.0.1' },
        port: { type: 'string', default: '9000' },
        limit: { type: 'string', default: '40' },
        help: { type: 'boolean', short: 'h', default: false }
      }
    })
    return values
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function whole(name: string, given: string, min: number, max: number): number {
  const value = Number(given)
  if (/^\d+$/.test(given) && value >= min && value <= max) return value
  throw new UsageError(`--${name} takes a whole number from ${min} to ${max}: got "${given}"`)
}
