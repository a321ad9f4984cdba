// SPDX-License-Identifier: Apache-2.0
/** One controller an instance: an advisory lock that the kernel drops when its holder dies. */
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { WeirError } from "../../errors.ts";
import { LOCK_EX, LOCK_NB, libc } from "../../runtime/libc.ts";

/** Holds an instance until disposed or until the process ends. */
export class InstanceLock implements Disposable {
  readonly #path: string;
  readonly #fd: number;
  #held = true;

  private constructor(path: string, fd: number) {
    this.#path = path;
    this.#fd = fd;
  }

  /**
   * Takes the lock file at `path`, which stays there when the lock goes.
   * @throws WeirError `EBUSY` that names the holder.
   */
  static take(path: string, instance: string): InstanceLock {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    for (;;) {
      const fd = openSync(path, "a+", 0o600);
      if (libc.flock(fd, LOCK_EX | LOCK_NB) !== 0) {
        closeSync(fd);
        throw held(path, instance);
      }
      if (isFile(path, fd)) {
        ftruncateSync(fd, 0);
        writeSync(fd, `${process.pid}\n`);
        return new InstanceLock(path, fd);
      }
      // The last holder removed the file between our opening and our locking.
      closeSync(fd);
    }
  }

  /** Removes the file too: the instance is no more. */
  remove(): void {
    if (this.#held) rmSync(this.#path, { force: true });
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (!this.#held) return;
    this.#held = false;
    ftruncateSync(this.#fd, 0);
    closeSync(this.#fd);
  }
}

function isFile(path: string, fd: number): boolean {
  try {
    return statSync(path).ino === fstatSync(fd).ino;
  } catch {
    return false;
  }
}

function held(path: string, instance: string): WeirError {
  const holder = readFileSync(path, "utf8").trim();
  return new WeirError({
    code: "EBUSY",
    operation: `open instance "${instance}"`,
    reason: holder === "" ? "another controller runs it" : `another controller runs it (process ${holder})`,
    hint: "end that one, or choose another name",
  });
}
