// SPDX-License-Identifier: Apache-2.0
/** One controller an instance: an advisory lock that the kernel drops when its holder dies. */
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { runtime } from "#runtime";
import { WeirError } from "../errors.ts";

const { flock } = runtime.open(["libc.so.6"], { flock: { args: ["i32", "i32"], returns: "i32" } });

/** Operations of flock(2) (asm-generic/fcntl.h). */
const LOCK_EX = 2;
const LOCK_NB = 4;

/** Holds an instance until disposed or until the process ends. */
export class InstanceLock implements Disposable {
  readonly #fd: number;
  #held = true;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * Takes the lock file at `path`; it stays there when the lock goes, for a name that others may wait on cannot
   * be removed without a race.
   * @throws WeirError `EBUSY` that names the holder.
   */
  static take(path: string, instance: string): InstanceLock {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    const fd = openSync(path, "a+", 0o600);
    if (flock(fd, LOCK_EX | LOCK_NB) !== 0) {
      const holder = readFileSync(path, "utf8").trim();
      closeSync(fd);
      throw new WeirError({
        code: "EBUSY",
        operation: `open instance "${instance}"`,
        reason: holder === "" ? "another controller runs it" : `another controller runs it (process ${holder})`,
        hint: "end that one, or choose another name",
      });
    }
    ftruncateSync(fd, 0);
    writeSync(fd, `${process.pid}\n`);
    return new InstanceLock(fd);
  }

  [Symbol.dispose](): void {
    if (!this.#held) return;
    this.#held = false;
    ftruncateSync(this.#fd, 0);
    closeSync(this.#fd);
  }
}
