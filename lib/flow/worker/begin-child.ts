import { dieWithParent } from '../../accept/native/die-with-parent.ts'

/**
 * What a child process does first, by whichever channel it hears of its pool: it is bound to the life of its parent, and
 * leaves signals to that.
 *
 * @returns the URL of the handler's module
 */
export function beginChild(): string {
  const [, , moduleURL = '', parent] = process.argv
  dieWithParent()
  // It may have gone before that.
  if (process.ppid !== Number(parent)) process.exit()
  // What the terminal, or whoever stops a whole service, says to all processes is for the pool to act upon: it drains.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => {})
  return moduleURL
}
