import { arch, cpus, release, type } from 'node:os'

/** Under what the numbers of a result were measured */
export function describeMachine(): Record<string, string | number> {
  const processors = cpus()
  return {
    node: process.versions.node,
    system: `${type()} ${release()}`,
    architecture: arch(),
    processor: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length
  }
}
