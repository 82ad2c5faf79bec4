#!/usr/bin/env node
import { drain, formatAddress, ListenError, parallel, pipe, type Report, TCPServer, UDPServer } from '../index.ts'
import { type CommandArguments, readArguments, UsageError, usage } from './arguments.ts'
import { LineService } from './line-service.ts'
import { closeOnSignal } from './signals.ts'
import { LiveStatus } from './status.ts'

const patience = 5_000

async function serve({ host, port, limit }: CommandArguments): Promise<void> {
  await using tcp = await new TCPServer({ host, port }).listen()
  await using udp = await new UDPServer({ host, port }).listen()
  const reports = closeOnSignal([tcp, udp], patience)
  process.stdout.write(
    `Serving lines on tcp ${formatAddress(tcp.address)} and udp ${formatAddress(udp.address)}. Try it:\n` +
      `  nc ${tcp.address.host} ${tcp.address.port}\n` +
      `  telnet ${tcp.address.host} ${tcp.address.port}\n` +
      `  echo hello | nc -u -w1 ${udp.address.host} ${udp.address.port}\n` +
      'Type a line, or: time, stats, quit. Ctrl-C stops the server.\n'
  )
  const served = () => ({ tcp: tcp.stats(), udp: udp.stats() })
  const status = new LiveStatus(served)
  await Promise.all([
    pipe(tcp, parallel(LineService, { limit }), drain),
    pipe(udp, parallel(LineService, { limit }), drain)
  ])
  const ended = await reports
  status.stop()
  process.stdout.write(`Stopped.\n${ended.map(fate).join('')}`)
}

/** What became of those who were inside at the end: nothing to say where nobody was. */
function fate({ finished, aborted, refused, stillOpen }: Report): string {
  if (finished + aborted + refused === 0) return ''
  const cut = stillOpen.map(
    ({ clientAddress, age }) => `  cut off: ${formatAddress(clientAddress)}, ${Math.round(age / 1_000)} s old\n`
  )
  return `At the end: ${finished} finished, ${aborted} cut off, ${refused} refused\n${cut.join('')}`
}

function hint({ code }: ListenError): string {
  if (code !== 'EADDRINUSE' && code !== 'EACCES') return ''
  return 'Try another port: npm start -- --port 0 takes one that is free.\n'
}

async function main(): Promise<number> {
  try {
    const given = readArguments(process.argv.slice(2))
    if (given.help) process.stdout.write(usage)
    else await serve(given)
    return 0
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`it-socketserver: ${error.message}\n\n${usage}`)
      return 2
    }
    if (error instanceof ListenError) {
      process.stderr.write(`it-socketserver: ${error.message}\n${hint(error)}`)
      return 1
    }
    throw error
  }
}

process.exitCode = await main()
