// SPDX-License-Identifier: Apache-2.0
/** Types of fields that several kinds share. `expects` finishes the sentence "must be …" in errors. */
import { isPrefix, parseAddress, parseMac } from "../../address.ts";
import { FormatRegistry, Type } from "./typebox.ts";

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,62}$/;

FormatRegistry.Set("weir-name", (text) => NAME.test(text));
FormatRegistry.Set("weir-ip", (text) => parseAddress(text) !== undefined);
FormatRegistry.Set("weir-ipv4-or-ipv6-prefix", isPrefix);
FormatRegistry.Set("weir-mac", (text) => parseMac(text) !== undefined);
FormatRegistry.Set("weir-ports", (text) => parseRange(text, 65535) !== undefined);
FormatRegistry.Set("weir-icmp-type", (text) => parseIcmpType(text) !== undefined);

/** Parses `first-last` or a single number; both inclusive, 0..`most`. */
export function parseRange(text: string, most: number): { first: number; last: number } | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  return first <= last && last <= most ? { first, last } : undefined;
}

/** Parses an ICMP `type` or `type/code`, each 0..255. */
export function parseIcmpType(text: string): { type: number; code: number | undefined } | undefined {
  const match = /^(\d{1,3})(?:\/(\d{1,3}))?$/.exec(text);
  if (match === null) return undefined;
  const type = Number(match[1]);
  const code = match[2] === undefined ? undefined : Number(match[2]);
  return type <= 255 && (code ?? 0) <= 255 ? { type, code } : undefined;
}

/** A name that keys an object. */
export const name = (description: string) =>
  Type.String({
    format: "weir-name",
    description: `${description} Letters, digits and _ . : @ -, at most 63, the first one no punctuation.`,
    expects: "a name of at most 63 letters, digits and _ . : @ -, the first one a letter or digit",
  });

/** The name of another object. */
export const reference = (description: string) =>
  Type.String({ minLength: 1, maxLength: 63, description, expects: "the name of an object" });

export const address = (description: string) =>
  Type.String({ format: "weir-ip", description, expects: "an IPv4 or IPv6 address" });

export const prefix = (description: string) =>
  Type.String({
    format: "weir-ipv4-or-ipv6-prefix",
    description,
    expects: 'an IPv4 or IPv6 prefix such as "10.97.0.0/16"',
  });

export const mac = (description: string) =>
  Type.String({
    format: "weir-mac",
    description,
    expects: 'a MAC address such as "02:00:00:00:00:01" (quoted, or YAML reads it as a number)',
  });

/** One of a closed list of words. */
export const oneOf = <const T extends readonly string[]>(values: T, description: string, fallback?: T[number]) =>
  Type.Unsafe<T[number]>(
    Type.String({
      enum: [...values],
      pattern: `^(?:${values.join("|")})$`,
      description,
      expects: `one of ${values.join(", ")}`,
      ...(fallback === undefined ? {} : { default: fallback }),
    }),
  );

/** An integer with its range; the default is in the description and in the schema. */
export const integer = (minimum: number, maximum: number, description: string, fallback?: number) =>
  Type.Integer({
    minimum,
    maximum,
    description,
    expects: `an integer from ${minimum} to ${maximum}`,
    ...(fallback === undefined ? {} : { default: fallback }),
  });

export const flag = (description: string, fallback?: boolean) =>
  Type.Boolean({ description, expects: "true or false", ...(fallback === undefined ? {} : { default: fallback }) });

/** Schemas of objects are closed: an unknown field is an error. */
export const CLOSED = { additionalProperties: false } as const;
