import { readdirSync, readFileSync } from 'node:fs'

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
      const list = readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').trim()
      return list === '' ? [] : list.split(' ').map(Number)
    })
  } catch {
    return [] // it ended while it was being read
  }
}

/** The living descendants of a process, nearest first */
export function descendantsOf(pid: number): number[] {
  const children = childrenOf(pid)
  return [...children, ...children.flatMap(descendantsOf)]
}
