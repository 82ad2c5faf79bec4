#!/usr/bin/env node
import { formatAddress, ListenError, parallel, type Report, runUntilSignal, TCPServer, UDPServer } from '../index.ts'
import { type CommandArguments, readArguments, UsageError, usage } from './arguments.ts'
import { LineService } from './line-service.ts'
import { ActivationError, places } from './places.ts'
import { LiveStatus } from './status.ts'

const deadline = 5_000

async function serve(given: CommandArguments): Promise<void> {
  const at = places(given)
  const tcp = at.tcp && new TCPServer(at.tcp)
  const udp = at.udp && new UDPServer(at.udp)
  const servers = [tcp, udp].filter((server) => server !== undefined)
  const running = runUntilSignal(servers, {
    stage: parallel(LineService, { limit: given.limit }),
    deadline,
    onSignal: (signal, action) => {
      const how =
        action === 'drain' ? `finishing within ${deadline / 1_000} s; again to stop at once` : 'stopping at once'
      process.stderr.write(`\n${signal}: ${how}\n`)
    }
  })
  const listening = await Promise.allSettled(servers.map((server) => server.listen()))
  if (listening.some((end) => end.status === 'rejected')) {
    await running
    return
  }
  process.stdout.write(invitation(tcp, udp))
  const status = new LiveStatus(() => ({ tcp: tcp?.stats(), udp: udp?.stats() }))
  const ended = await running
  status.stop()
  process.stdout.write(`Stopped.\n${ended.map(fate).join('')}`)
}

function invitation(tcp: TCPServer | undefined, udp: UDPServer | undefined): string {
  const on: string[] = []
  let tries = ''
  if (tcp !== undefined) {
    const { host, port } = tcp.address
    on.push(`tcp ${formatAddress(tcp.address)}`)
    tries += `  nc ${host} ${port}\n  telnet ${host} ${port}\n`
  }
  if (udp !== undefined) {
    const { host, port } = udp.address
    on.push(`udp ${formatAddress(udp.address)}`)
    tries += `  echo hello | nc -u -w1 ${host} ${port}\n`
  }
  const words = 'Type a line, or: time, stats, quit. Ctrl-C stops the server.'
  return `Serving lines on ${on.join(' and ')}. Try it:\n${tries}${words}\n`
}

/** What became of those who were inside at the end: nothing to say where nobody was. */
function fate({ finished, aborted, refused, stillOpen }: Report): string {
  if (finished + aborted + refused === 0) return ''
  const cut = stillOpen.map(
    ({ clientAddress, age }) => `  cut off: ${formatAddress(clientAddress)}, ${Math.round(age / 1_000)} s old\n`
  )
  return `At the end: ${finished} finished, ${aborted} cut off, ${refused} refused\n${cut.join('')}`
}

function hint(error: Error): string {
  const code = error instanceof ListenError ? error.code : undefined
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
    if (error instanceof ListenError || error instanceof ActivationError) {
      process.stderr.write(`it-socketserver: ${error.message}\n${hint(error)}`)
      return 1
    }
    throw error
  }
}

const code = await main()
// How it was stopped may have said another one.
process.exitCode ??= code
