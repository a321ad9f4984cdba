// SPDX-License-Identifier: Apache-2.0
/** What must not outlive this process: taken away when it is interrupted, the last one first. */

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

type Removal = () => void | Promise<void>;

const removals = new Set<Removal>();

/** Registers something; call the result when it is gone in the ordinary way. */
export function removeOnInterrupt(remove: Removal): () => void {
  removals.add(remove);
  return () => removals.delete(remove);
}

/** From now on signals end the process only when everything is removed. */
export function handleInterrupts(): void {
  for (const [signal, status] of Object.entries(SIGNALS)) {
    process.once(signal, async () => {
      await removeAll();
      process.exit(status);
    });
  }
}

/** The interrupted benchmark goes on meanwhile, and may make new things: again until nothing is left. */
async function removeAll(): Promise<void> {
  for (let tries = 0; tries < 100 && removals.size > 0; tries++) {
    const remove = [...removals].at(-1);
    if (remove === undefined) return;
    removals.delete(remove);
    try {
      await remove();
    } catch {
      // The others are to go all the same.
    }
  }
}
