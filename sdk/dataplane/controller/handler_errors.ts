// SPDX-License-Identifier: Apache-2.0

/** What a handler threw, as text. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Counts a handler's failures, and tells of the first one of each run of them. */
export class HandlerErrors {
  readonly #tell: (reason: string) => void;
  #failing = false;
  #count = 0;

  /** @param tell told of a failure after a success, or of the first one. */
  constructor(tell: (reason: string) => void) {
    this.#tell = tell;
  }

  get count(): number {
    return this.#count;
  }

  failed(error: unknown): void {
    this.#count++;
    if (this.#failing) return;
    this.#failing = true;
    this.#tell(messageOf(error));
  }

  succeeded(): void {
    this.#failing = false;
  }
}

/** Runs `call`, which may return a promise. `onFailure` runs for what it throws, now or later. */
export function watched(call: () => unknown, errors: HandlerErrors, onFailure?: () => void): void {
  const fail = (error: unknown): void => {
    errors.failed(error);
    onFailure?.();
  };
  try {
    const result = call();
    if (result instanceof Promise) result.then(() => errors.succeeded(), fail);
    else errors.succeeded();
  } catch (error) {
    fail(error);
  }
}
