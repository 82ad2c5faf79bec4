import { clearLine, cursorTo } from 'node:readline'
import type { ServerStats } from '../index.ts'
import { LineService } from './line-service.ts'

/** What is counted of the two servers, where there are two. */
export interface Served {
  readonly tcp: ServerStats | undefined
  readonly udp: ServerStats | undefined
}

const units = ['B', 'kB', 'MB', 'GB', 'TB']

function size(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_000
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

/** What was served so far, in a line. */
function statusLine({ tcp, udp }: Served): string {
  const sum = (name: 'bytesIn' | 'bytesOut'): number => (tcp?.[name] ?? 0) + (udp?.[name] ?? 0)
  const waiting = tcp !== undefined && tcp.waiting > 0 ? ` (and ${tcp.waiting} waiting)` : ''
  return (
    `connections ${tcp?.open ?? 0} now${waiting}, ${tcp?.accepted ?? 0} total | datagrams ${udp?.accepted ?? 0} | ` +
    `lines ${LineService.answered} | ${size(sum('bytesIn'))} in, ${size(sum('bytesOut'))} out`
  )
}

/** The live line: rewritten in place on a terminal, written when it has changed elsewhere. */
export class LiveStatus {
  readonly #read: () => Served
  readonly #timer: NodeJS.Timeout
  #shown = ''

  /** @param read - gives what is counted now */
  constructor(read: () => Served) {
    this.#read = read
    this.#timer = setInterval(() => this.#show(), process.stdout.isTTY ? 200 : 1_000)
    this.#timer.unref()
    this.#show()
  }

  /** The last state, and no more. */
  stop(): void {
    clearInterval(this.#timer)
    this.#show()
    if (process.stdout.isTTY) process.stdout.write('\n')
  }

  #show(): void {
    const line = statusLine(this.#read())
    if (line === this.#shown) return
    this.#shown = line
    if (process.stdout.isTTY) {
      clearLine(process.stdout, 0)
      cursorTo(process.stdout, 0)
      // A line that wraps could not be rewritten.
      process.stdout.write(line.slice(0, process.stdout.columns - 1))
    } else process.stdout.write(`${line}\n`)
  }
}
