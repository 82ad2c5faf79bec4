/** How a child process is started. */
export interface ChildOptions {
  /** Its environment: this process's, by default. */
  readonly env: Record<string, string | undefined> | undefined
  /** Options for Node: this process's, by default, as far as they are fit. */
  readonly execArgv: readonly string[] | undefined
}
