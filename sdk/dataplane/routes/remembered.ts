// SPDX-License-Identifier: Apache-2.0

/** `find`, asked once for each number. */
export function remembered<T>(find: (number: number) => T): (number: number) => T {
  const known = new Map<number, T>();
  return (number) => {
    let answer = known.get(number);
    if (answer === undefined) {
      answer = find(number);
      known.set(number, answer);
    }
    return answer;
  };
}
