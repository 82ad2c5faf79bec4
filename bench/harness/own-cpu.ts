/** The processor time that a server uses itself, exact to a microsecond */
export class OwnCPU {
  #time = performance.now()
  #usage = process.cpuUsage()

  /** Since the last time this was asked */
  take(): { seconds: number; cpu: number } {
    const { user, system } = process.cpuUsage(this.#usage)
    const seconds = (performance.now() - this.#time) / 1e3
    this.#time = performance.now()
    this.#usage = process.cpuUsage()
    return { seconds, cpu: (user + system) / 1e6 }
  }
}
