import { libc, libcMissing } from './libc.ts'

const PR_SET_PDEATHSIG = 1
const SIGKILL = 9

/**
 * Have the kernel kill this process when its parent has gone, whatever either of them does then: an endless loop hears of
 * nothing else. Nothing where there are no system calls.
 *
 * The parent is the thread that has started this process: where that is not its process's first, its end counts.
 */
export function dieWithParent(): void {
  if (libcMissing() === undefined) libc().prctl(PR_SET_PDEATHSIG, 'unsigned long', SIGKILL)
}
