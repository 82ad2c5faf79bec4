/** Ends what still runs when this process does, however that comes about */
export function killAtExit(running: Iterable<{ killNow(): void }>): void {
  process.on('exit', () => {
    for (const child of running) child.killNow()
  })
  for (const [signal, number] of [
    ['SIGHUP', 1],
    ['SIGINT', 2],
    ['SIGTERM', 15]
  ] as const) {
    process.once(signal, () => process.exit(128 + number))
  }
}
