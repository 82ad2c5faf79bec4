import { show } from '../arguments.ts'
import { isHandlerClass } from '../handler/run.ts'
import type { Stage } from '../stage.ts'

/**
 * Check that something is a stage, as far as that can be seen before it runs.
 *
 * @param stage - what was given
 */
export function checkStage(stage: unknown): void {
  if (typeof stage !== 'function' || isHandlerClass(stage as () => unknown)) throw noStage(stage)
}

/**
 * What a stage makes of a source; a `TypeError` where that is nothing to iterate, as of a handler given by mistake.
 *
 * @param stage - the stage
 * @param source - the source
 */
export function outcomesOf<A>(stage: Stage<A, unknown>, source: AsyncIterable<A>): AsyncIterable<unknown> {
  const outcomes: Partial<AsyncIterable<unknown>> | undefined = stage(source)
  if (typeof outcomes?.[Symbol.asyncIterator] !== 'function') throw noStage(stage)
  return outcomes as AsyncIterable<unknown>
}

function noStage(given: unknown): TypeError {
  return new TypeError(`serveForever takes a stage, such as parallel(handler): got ${show(given)}`)
}
