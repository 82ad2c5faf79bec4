import { show } from '../../arguments.ts'

/** An environment, or nothing where this process's serves. */
export function processEnv(env: unknown): Record<string, string | undefined> | undefined {
  if (env === undefined) return undefined
  if (env === null || typeof env !== 'object' || Array.isArray(env)) {
    throw new TypeError(`Option env must be an object of strings: got ${show(env)}`)
  }
  return env as Record<string, string | undefined>
}

/** Options for Node, or nothing where this process's serve. */
export function processFlags(execArgv: unknown): readonly string[] | undefined {
  if (execArgv === undefined) return undefined
  if (!Array.isArray(execArgv) || execArgv.some((arg) => typeof arg !== 'string')) {
    throw new TypeError(`Option execArgv must be an array of strings: got ${show(execArgv)}`)
  }
  return execArgv as string[]
}
