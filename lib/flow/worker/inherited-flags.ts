/**
 * Options of this process's Node that are fit for a child of it. Left out are the debugger's, as two can't have one port,
 * and a program that was given in the command line: a child would run that in place of its own, and start children.
 *
 * @param execArgv - the options
 */
export function inheritedFlags(execArgv: readonly string[]): string[] {
  const flags: string[] = []
  for (let i = 0; i < execArgv.length; i++) {
    const flag = execArgv[i] as string
    if (/^(?:-[ep]|-pe|--eval|--print)$/.test(flag)) i++
    else if (!/^--(?:inspect|debug|eval=|print=|input-type)/.test(flag)) flags.push(flag)
    else if (flag === '--input-type') i++
  }
  return flags
}
