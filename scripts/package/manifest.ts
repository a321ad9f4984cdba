// SPDX-License-Identifier: Apache-2.0
/** The package.json of the npm package, from that of the checkout. */

/** What of the checkout's package.json is read here. */
export interface Manifest {
  readonly exports: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

/** Says nothing to those who install the package. */
const OF_THE_CHECKOUT: ReadonlySet<string> = new Set(["private", "scripts", "devDependencies"]);

/** The same entries, with each module's JavaScript in its place and its declarations beside. */
export function publishedManifest(manifest: Manifest): Record<string, unknown> {
  const kept = Object.entries(manifest).filter(([field]) => !OF_THE_CHECKOUT.has(field));
  return {
    ...Object.fromEntries(kept),
    exports: mapValues(manifest.exports, published),
    imports: mapValues(manifest.imports, (conditions) => mapValues(conditions, javaScript)),
    bin: mapValues(manifest.bin, javaScript),
  };
}

const javaScript = (path: string): string => path.replace(/\.tsx?$/, ".js");

function published(path: string): string | { types: string; default: string } {
  if (!path.endsWith(".ts")) return path;
  return { types: path.replace(/\.ts$/, ".d.ts"), default: javaScript(path) };
}

function mapValues<T, R>(values: Readonly<Record<string, T>>, map: (value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, map(value)]));
}
