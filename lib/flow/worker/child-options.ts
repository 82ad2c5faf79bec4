/** How a child process is started. */
export interface ChildOptions {
  /** Its environment: this process's, by default. */
  readonly env: Record<string, string | undefined> | undefined
  /** Options for Node: this process's, by default, but for the debugger's. */
  readonly execArgv: readonly string[] | undefined
}

/** Options for Node: two debuggers can't have one port. */
export function nodeFlags(execArgv: readonly string[] | undefined): string[] {
  return (execArgv ?? process.execArgv).filter((arg) => !/^--(inspect|debug)/.test(arg))
}
