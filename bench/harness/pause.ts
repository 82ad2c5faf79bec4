const cell = new Int32Array(new SharedArrayBuffer(4))

/** Sleeps: a generator has no event loop to wait in while it works */
export function pause(milliseconds: number): void {
  Atomics.wait(cell, 0, 0, milliseconds)
}
