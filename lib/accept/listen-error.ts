import { ListenError } from '../errors.ts'

const why: Record<string, string> = {
  EADDRINUSE: 'it is in use already',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'permission denied (ports below 1024 and some paths need privileges)',
  EPERM: 'permission denied',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name of the host could not be looked up',
  ENOENT: 'there is no such directory',
  ENOTDIR: 'a part of the path is not a directory',
  ENAMETOOLONG: 'the path is too long (107 bytes at most)',
  ENODEV: 'there is no such interface',
  EMFILE: 'this process has no descriptor left',
  ENFILE: 'this machine has no descriptor left',
  EAFNOSUPPORT: 'this machine does not have that kind of address'
}

/**
 * A system's error on binding, as a sentence that says where and why.
 *
 * @param where - the address, as people write it
 * @param error - the system's error; its `clause`, where it has one, says more than its code
 */
export function listenError(where: string, error: NodeJS.ErrnoException & { clause?: string }): ListenError {
  const code = error.code ?? 'EUNKNOWN'
  const clause = error.clause ?? why[code] ?? error.message
  return new ListenError(`Cannot listen on ${where}: ${clause} (${code})`, code, error)
}
