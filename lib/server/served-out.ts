import { mayReject } from '../iterator/deferred.ts'
import type { Report } from '../request.ts'

/** The loop of a server over what a stage makes of it. */
export interface ServingLoop {
  /** What the stage yields. */
  readonly outcomes: () => AsyncIterable<unknown>
  /** The loop has ended, or failed: nobody new comes in. */
  readonly over: () => Promise<void>
  /** Settles when the server has closed. */
  readonly closed: Promise<Report>
}

/**
 * Runs a loop until its server has closed. It is not waited for where a handler does not mind being cut off at the deadline:
 * that never ends, and with it the loop.
 *
 * @param loop - the loop
 * @returns what became of those inside
 */
export async function servedOut(loop: ServingLoop): Promise<Report> {
  const ended = run(loop)
  const cut = loop.closed.then(({ aborted }) => (aborted > 0 ? undefined : ended))
  mayReject(ended)
  mayReject(cut)
  await Promise.race([ended, cut])
  return loop.closed
}

async function run({ outcomes, over }: ServingLoop): Promise<void> {
  try {
    for await (const _ of outcomes());
  } finally {
    await over()
  }
}
