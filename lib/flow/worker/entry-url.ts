/**
 * What a worker runs. From source, as specs import it, that is what was built of it: Node 20 runs no TypeScript.
 *
 * @param what - a child process, or a thread
 */
export function entry(what: 'child' | 'thread'): URL {
  const here = import.meta.url
  return new URL(here.endsWith('.ts') ? `../../../dist/flow/worker/${what}-entry.js` : `./${what}-entry.js`, here)
}
