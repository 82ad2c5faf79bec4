import { isAbsolute } from 'node:path'
import { pathToFileURL } from 'node:url'
import { show } from '../../arguments.ts'

/** The address of a handler's module: an absolute one, as a worker knows no caller to whom a path could be relative. */
export function moduleURL(what: string, given: unknown): string {
  if (given instanceof URL) return given.href
  if (typeof given === 'string') {
    if (isAbsolute(given)) return pathToFileURL(given).href
    if (/^(file|data|node|https?):/.test(given)) return given
  }
  throw new TypeError(
    `${what} takes the URL of the handler's module, such as new URL('./handler.js', import.meta.url), or an absolute path: got ${show(given)}`
  )
}
