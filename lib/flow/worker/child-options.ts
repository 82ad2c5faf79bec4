/** How a child process is started. */
export interface ChildOptions {
  /** Its environment: this process's, by default. */
  readonly env: Record<string, string | undefined> | undefined
  /** Options for Node: those of this process that can be inherited, by default. */
  readonly execArgv: readonly string[] | undefined
}
