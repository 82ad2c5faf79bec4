import type { BaseServer, Report } from '../index.ts'

// A terminal signals the whole group, and npm passes the signal on once more: two that come together are one.
const together = 500

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
  let asked: number | undefined
  const stop = (signal: NodeJS.Signals): void => {
    const now = performance.now()
    if (asked !== undefined && now - asked < together) return
    const patience = asked === undefined ? deadline : 0
    asked ??= now
    process.stderr.write(
      `\n${signal}: ${patience > 0 ? `finishing within ${patience / 1_000} s; again to stop at once` : 'stopping at once'}\n`
    )
    for (const server of servers) void server.close({ deadline: patience })
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  return Promise.all(servers.map((server) => server.closed))
}
