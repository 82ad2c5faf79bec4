/** What the runner tells a load generator, as JSON in its first argument */
export interface LoadArguments<Options> {
  port: number
  serverPid: number
  options: Options
}

export function readLoadArguments<Options>(): LoadArguments<Options> {
  const text = process.argv[2]
  if (text === undefined) throw new Error('Cannot start a load generator by hand: the suite passes it its arguments')
  return JSON.parse(text) as LoadArguments<Options>
}
