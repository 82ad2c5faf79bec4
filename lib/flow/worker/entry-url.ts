/**
 * What a worker runs. From source, as specs import it, that is what was built of it: Node 20 runs no TypeScript.
 *
 * @param what - a child process by Node's channel or by ours, or a thread
 */
export function entry(what: 'child' | 'passed-child' | 'thread'): URL {
  const here = import.meta.url
  // What was built is one file, right in dist/.
  return new URL(`flow/worker/${what}-entry.js`, here.endsWith('.ts') ? new URL('../../../dist/', here) : here)
}
