// Two debuggers can't have one port. What was given to this process as its program is not the child's: it would run that
// again, and have children of its own that do.
const own = /^(--inspect|--debug|--eval=|--print=|--input-type=)/
const ownWithValue = /^(-e|--eval|-p|--print|-pe|--input-type|--inspect-port|--debug-port)$/

/** Of the options for Node that this process was given, those that a child can have too. */
export function inheritedFlags(execArgv: readonly string[]): string[] {
  return execArgv.filter((flag, at) => !own.test(flag) && !hasValue(flag) && !hasValue(execArgv[at - 1]))
}

/**
 * What a thread is given of this process's options for Node: all of them, by not being told of any; but none where one says
 * how the text of a program is to be read, which a thread, whose program is a file, refuses.
 */
export function threadFlags(execArgv: readonly string[]): { readonly execArgv?: string[] } {
  return execArgv.some((flag) => flag.startsWith('--input-type')) ? { execArgv: [] } : {}
}

function hasValue(flag = ''): boolean {
  return ownWithValue.test(flag)
}
