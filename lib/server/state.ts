/** Where a server is in its life. States only move forward, and each carries only what it has. */
export type State =
  | { readonly at: 'new' }
  | { readonly at: 'binding'; readonly ready: Promise<void> }
  | { readonly at: 'listening' }
  | { readonly at: 'closing' }
  | { readonly at: 'closed' }

const order = ['new', 'binding', 'listening', 'closing', 'closed'] as const

/**
 * The next state.
 *
 * @returns `next`, which must come after `state`
 */
export function advance(state: State, next: State): State {
  if (order.indexOf(next.at) <= order.indexOf(state.at)) {
    throw new Error(`A server that is ${state.at} cannot become ${next.at}`)
  }
  return next
}
