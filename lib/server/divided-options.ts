/**
 * What is for the mode of a ready-made server, and what is for the server, which knows nothing of modes.
 *
 * @param options - of both
 * @param names - all of the mode's
 */
export function dividedOptions<M extends object, O extends M>(
  options: O,
  names: readonly (keyof M)[]
): [mode: Partial<M>, server: Omit<O, keyof M>] {
  // Of an argument that is no object the server says what is wrong with it.
  if (options === null || typeof options !== 'object' || Array.isArray(options)) return [{}, options]
  const mode: Partial<M> = {}
  const server = { ...options }
  for (const name of names) {
    if (!(name in server)) continue
    mode[name] = server[name]
    delete (server as Partial<M>)[name]
  }
  return [mode, server]
}
