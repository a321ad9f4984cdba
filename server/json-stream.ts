// SPDX-License-Identifier: Apache-2.0
/** Long lists as a streamed JSON array: memory stays bounded, and other requests get their turn between chunks. */

/** Characters that are gathered before a chunk goes out. */
const CHUNK = 64 * 1024;

/**
 * A JSON array of `values`, produced as the reader takes it. The first value is taken at once: an error that it
 * brings is thrown here, while the answer's status can still tell it.
 */
export function jsonArrayStream(values: Iterable<unknown>): ReadableStream<Uint8Array> {
  const iterator = values[Symbol.iterator]();
  const encoder = new TextEncoder();
  let first = true;
  let taken: IteratorResult<unknown> | undefined = iterator.next();
  return new ReadableStream({
    pull(controller) {
      let chunk = "";
      while (chunk.length < CHUNK) {
        const { done, value } = taken ?? iterator.next();
        taken = undefined;
        if (done) {
          controller.enqueue(encoder.encode(`${chunk}${first ? "[" : ""}]`));
          controller.close();
          return;
        }
        chunk += `${first ? "[" : ","}${JSON.stringify(value)}`;
        first = false;
      }
      controller.enqueue(encoder.encode(chunk));
    },
    cancel() {
      iterator.return?.();
    },
  });
}
