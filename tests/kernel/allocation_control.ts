// SPDX-License-Identifier: Apache-2.0
/** `OBJECTS`: a thread that makes so many small objects, to see that the log of garbage collections shows it. */
Bun.gc(true);
const code = `
  let last;
  addEventListener("message", ({ data }) => {
    for (let i = 0; i < data; i++) last = { i };
    postMessage(last);
  });
`;
const worker = new Worker(URL.createObjectURL(new Blob([code])));
const { promise, resolve } = Promise.withResolvers<void>();
worker.addEventListener("message", () => resolve());
console.error("begin");
worker.postMessage(Number(process.argv[2]));
await promise;
console.error("end");
worker.terminate();

export {};
