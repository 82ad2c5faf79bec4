import type { BaseServer, Report } from '../index.ts'

/**
 * Close servers when the process is asked to end: the first SIGINT or SIGTERM lets those inside finish, a second one
 * cuts them off.
 *
 * @param servers - what to close
 * @param deadline - milliseconds to finish
 * @returns the reports, when all are closed
 */
export function closeOnSignal(
  servers: readonly Pick<BaseServer, 'close' | 'closed'>[],
  deadline: number
): Promise<Report[]> {
  let asked = 0
  const stop = (signal: NodeJS.Signals): void => {
    const patience = asked++ === 0 ? deadline : 0
    process.stderr.write(
      `\n${signal}: ${patience > 0 ? `finishing within ${patience / 1_000} s; again to stop at once` : 'stopping at once'}\n`
    )
    for (const server of servers) void server.close({ deadline: patience })
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  return Promise.all(servers.map((server) => server.closed)).finally(() => {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
  })
}
