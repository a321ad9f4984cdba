// SPDX-License-Identifier: Apache-2.0
/**
 * What BTF does not carry: the order of declarations in the headers, their comments, and the
 * names of the `#define` constants. Sizes, offsets and values never come from here.
 */

export interface Declarations {
  /** `statedSize` is the size in bytes that the comment beside the struct claims. */
  readonly structs: readonly { readonly name: string; readonly statedSize: number | undefined }[];
  readonly enums: readonly string[];
  /** Object-like macros with a value, in order; `hex` tells how the header writes it. */
  readonly constants: readonly { readonly name: string; readonly hex: boolean }[];
  /** By name; a struct's fields and an enum's values are keyed `owner.name`. */
  readonly comments: ReadonlyMap<string, string>;
}

const COMMENT = /\/\*([\s\S]*?)\*\//g;

/** Reads the declarations of one header; they are expected in the house style, one a line. */
export function readDeclarations(header: string): Declarations {
  const structs: { name: string; statedSize: number | undefined }[] = [];
  const enums: string[] = [];
  const constants: { name: string; hex: boolean }[] = [];
  const comments = new Map<string, string>();
  const owners: string[] = [];
  let leading = "";

  for (const line of joinComments(header)) {
    const comment = lineComment(line);
    const code = line.replace(COMMENT, "").trim();
    if (code === "") {
      leading = comment;
      continue;
    }
    const opened = /^(struct|enum) (\w+) \{$/.exec(code);
    const macro = /^#define (\w+)\s+(\S.*)$/.exec(code);
    if (opened?.[1] !== undefined && opened[2] !== undefined) {
      const size = /^(\d+) bytes(?:; )?/.exec(comment);
      if (opened[1] === "enum") enums.push(opened[2]);
      else structs.push({ name: opened[2], statedSize: size === null ? undefined : Number(size[1]) });
      const own = [leading, comment.slice(size?.[0].length ?? 0)].filter((text) => text !== "");
      note(comments, opened[2], own.join(" "));
      owners.push(opened[2]);
    } else if (/^}/.test(code)) {
      const owner = owners.pop();
      const member = /^} (\w+);$/.exec(code)?.[1];
      if (member !== undefined) note(comments, `${owners.at(-1)}.${member}`, comments.get(owner ?? "") ?? comment);
    } else if (macro?.[1] !== undefined && macro[2] !== undefined) {
      constants.push({ name: macro[1], hex: macro[2].startsWith("0x") });
      note(comments, macro[1], comment);
    } else if (owners.length > 0) {
      for (const name of memberNames(code)) note(comments, `${owners.at(-1)}.${name}`, comment);
    }
    leading = "";
  }
  return { structs, enums, constants, comments };
}

/** The header's lines, with comments that span several lines pulled into one. */
function joinComments(header: string): string[] {
  return header.replace(COMMENT, (comment) => comment.replace(/\s*\n\s*\*?\s*/g, " ")).split("\n");
}

function lineComment(line: string): string {
  const texts = [...line.matchAll(COMMENT)].map((match) => (match[1] ?? "").trim());
  return texts.filter((text) => !text.startsWith("----") && !text.startsWith("SPDX")).join(" ");
}

function memberNames(code: string): string[] {
  const declarators = code.replace(/^(?:struct \w+|__\w+)\s+/, "").replace(/[;,]$/, "");
  return declarators.split(",").map((part) => /^\w+/.exec(part.trim())?.[0] ?? "");
}

function note(comments: Map<string, string>, key: string, comment: string): void {
  if (comment !== "") comments.set(key, comment);
}
