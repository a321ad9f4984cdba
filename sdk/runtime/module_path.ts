// SPDX-License-Identifier: Apache-2.0

/**
 * Where a module of the project lies, named as in the checkout: the npm package has JavaScript in its place.
 * @param own path or URL of the module that asks
 */
export function modulePath(path: string, own: string): string {
  return own.endsWith(".js") ? path.replace(/\.ts$/, ".js") : path;
}
