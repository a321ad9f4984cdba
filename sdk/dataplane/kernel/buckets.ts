// SPDX-License-Identifier: Apache-2.0
/**
 * Buckets of an ecmp next hop: a flow's hash chooses one, and the bucket holds the member. Which member a bucket
 * holds changes as seldom as possible, so that flows stay where they are (resilient hashing). Pure.
 */

/** A member to be given buckets. */
export interface WeightedMember {
  /** Tells members apart. */
  readonly key: string;
  /** Share against the others', at least 1. */
  readonly weight: number;
}

/** Buckets that the member with the smallest share gets: its share is then within 1/64 of its weight. */
const LEAST_SHARE = 64;

/** More would cost more memory than they gain in accuracy. */
const MOST_BUCKETS = 8192;

/** Fewest buckets. */
const FEWEST_BUCKETS = 64;

/** Number of buckets for members with these weights: a power of two. */
export function bucketCount(weights: readonly number[]): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const least = weights.reduce((smallest, weight) => Math.min(smallest, weight), Number.POSITIVE_INFINITY);
  const wanted = Math.min(
    Math.max(weights.length < 2 ? 1 : LEAST_SHARE * (total / least), FEWEST_BUCKETS),
    MOST_BUCKETS,
  );
  return 2 ** Math.ceil(Math.log2(wanted));
}

/**
 * Gives each bucket a member.
 *
 * - Every member's number of buckets is within one of its share, as long as no member was lost.
 * - Buckets of members that are still there keep them when others are lost: only those of the lost ones move, to
 *   the members that are furthest below their share.
 * - New members and changed weights move as few buckets as it takes to come within one of every share.
 *
 * @param before members by bucket; `undefined` or one that is not in `members`: the bucket is to be given away.
 * @param members at least one, of different keys.
 * @param rebalance false where members were only lost: what is over or under its share stays.
 */
export function assignBuckets(
  before: readonly (string | undefined)[],
  members: readonly WeightedMember[],
  rebalance: boolean,
): string[] {
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  const shares = members.map(({ weight }) => (before.length * weight) / total);
  const index = new Map(members.map(({ key }, i) => [key, i]));
  const owned: number[][] = members.map(() => []);
  const orphans: number[] = [];
  for (const [bucket, key] of before.entries()) {
    const owner = key === undefined ? undefined : index.get(key);
    if (owner === undefined) orphans.push(bucket);
    else owned[owner]?.push(bucket);
  }
  /** Buckets above (positive) or below the share. */
  const excess = owned.map((buckets, i) => buckets.length - (shares[i] ?? 0));
  const give = (bucket: number, to: number) => {
    owned[to]?.push(bucket);
    excess[to] = (excess[to] ?? 0) + 1;
  };
  for (const bucket of orphans)
    give(
      bucket,
      extreme(excess, (a, b) => a < b),
    );
  while (rebalance) {
    const poorest = extreme(excess, (a, b) => a < b);
    const richest = extreme(excess, (a, b) => a > b);
    if ((excess[poorest] ?? 0) > -1 && (excess[richest] ?? 0) < 1) break;
    const bucket = owned[richest]?.pop();
    if (bucket === undefined) break;
    excess[richest] = (excess[richest] ?? 0) - 1;
    give(bucket, poorest);
  }
  const result: string[] = new Array(before.length);
  for (const [i, buckets] of owned.entries()) for (const bucket of buckets) result[bucket] = members[i]?.key ?? "";
  return result;
}

/** Index of the first value that is `better` than all before and not worse than all behind it. */
function extreme(values: readonly number[], better: (a: number, b: number) => boolean): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (better(values[i] ?? 0, values[best] ?? 0)) best = i;
  return best;
}

/**
 * The buckets in another number of them: halves or doubles them as often as it takes. Doubling moves no flow; the
 * hash's further bit chooses between two buckets with the same member.
 */
export function resizeBuckets<T>(before: readonly T[], count: number): T[] {
  return Array.from({ length: count }, (_, bucket) => before[bucket % before.length] as T);
}
