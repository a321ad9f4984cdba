// SPDX-License-Identifier: Apache-2.0
/**
 * The system's libbpf: object files, maps, and the netlink side of XDP and TC. All symbols are in
 * version 1.1 (Debian 12); what is newer goes through bpf(2). See libbpf's own headers for the prototypes.
 */

import { runtime } from "#runtime";
import { WeirError } from "../errors.ts";
import { candidates } from "../runtime/libraries.ts";
import type { Library } from "../runtime/types.ts";

const table = {
  // libbpf_legacy.h, libbpf.h: the library
  libbpf_major_version: { args: [], returns: "u32" },
  libbpf_minor_version: { args: [], returns: "u32" },
  libbpf_num_possible_cpus: { args: [], returns: "i32" },
  libbpf_set_print: { args: ["ptr"], returns: "ptr" },
  // libbpf.h: objects. Pointers are NULL on failure, with errno set; integers are -errno.
  bpf_object__open_mem: { args: ["ptr", "u64", "ptr"], returns: "ptr" },
  bpf_object__load: { args: ["ptr"], returns: "i32" },
  bpf_object__close: { args: ["ptr"], returns: "void" },
  bpf_object__next_map: { args: ["ptr", "ptr"], returns: "ptr" },
  bpf_object__next_program: { args: ["ptr", "ptr"], returns: "ptr" },
  // libbpf.h: maps of an object. A C bool is the low byte of what is returned.
  bpf_map__name: { args: ["ptr"], returns: "ptr" },
  bpf_map__fd: { args: ["ptr"], returns: "i32" },
  bpf_map__type: { args: ["ptr"], returns: "i32" },
  bpf_map__key_size: { args: ["ptr"], returns: "u32" },
  bpf_map__value_size: { args: ["ptr"], returns: "u32" },
  bpf_map__max_entries: { args: ["ptr"], returns: "u32" },
  bpf_map__map_flags: { args: ["ptr"], returns: "u32" },
  bpf_map__is_internal: { args: ["ptr"], returns: "u32" },
  bpf_map__set_key_size: { args: ["ptr", "u32"], returns: "i32" },
  bpf_map__set_value_size: { args: ["ptr", "u32"], returns: "i32" },
  bpf_map__set_max_entries: { args: ["ptr", "u32"], returns: "i32" },
  bpf_map__set_map_flags: { args: ["ptr", "u32"], returns: "i32" },
  bpf_map__initial_value: { args: ["ptr", "ptr"], returns: "ptr" },
  bpf_map__autocreate: { args: ["ptr"], returns: "u32" },
  bpf_map__set_autocreate: { args: ["ptr", "u32"], returns: "i32" },
  bpf_map__reuse_fd: { args: ["ptr", "i32"], returns: "i32" },
  // libbpf.h: programs of an object
  bpf_program__name: { args: ["ptr"], returns: "ptr" },
  bpf_program__section_name: { args: ["ptr"], returns: "ptr" },
  bpf_program__fd: { args: ["ptr"], returns: "i32" },
  bpf_program__type: { args: ["ptr"], returns: "i32" },
  bpf_program__expected_attach_type: { args: ["ptr"], returns: "i32" },
  bpf_program__autoload: { args: ["ptr"], returns: "u32" },
  bpf_program__set_type: { args: ["ptr", "i32"], returns: "i32" },
  bpf_program__set_expected_attach_type: { args: ["ptr", "i32"], returns: "i32" },
  bpf_program__flags: { args: ["ptr"], returns: "u32" },
  bpf_program__set_flags: { args: ["ptr", "u32"], returns: "i32" },
  bpf_program__set_attach_target: { args: ["ptr", "i32", "ptr"], returns: "i32" },
  bpf_program__set_autoload: { args: ["ptr", "u32"], returns: "i32" },
  // bpf.h: maps by descriptor, -errno on failure
  bpf_map_create: { args: ["i32", "ptr", "u32", "u32", "u32", "ptr"], returns: "i32" },
  bpf_map_lookup_elem: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  bpf_map_update_elem: { args: ["i32", "ptr", "ptr", "u64"], returns: "i32" },
  bpf_map_delete_elem: { args: ["i32", "ptr"], returns: "i32" },
  bpf_map_lookup_and_delete_elem: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  bpf_map_get_next_key: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  bpf_map_freeze: { args: ["i32"], returns: "i32" },
  bpf_map_lookup_batch: { args: ["i32", "ptr", "ptr", "ptr", "ptr", "ptr", "ptr"], returns: "i32" },
  bpf_map_update_batch: { args: ["i32", "ptr", "ptr", "ptr", "ptr"], returns: "i32" },
  bpf_map_delete_batch: { args: ["i32", "ptr", "ptr", "ptr"], returns: "i32" },
  // bpf.h: pins and identifiers
  bpf_obj_pin: { args: ["i32", "ptr"], returns: "i32" },
  bpf_obj_get: { args: ["ptr"], returns: "i32" },
  bpf_map_get_fd_by_id: { args: ["u32"], returns: "i32" },
  bpf_prog_get_fd_by_id: { args: ["u32"], returns: "i32" },
  // libbpf.h: netlink
  bpf_xdp_attach: { args: ["i32", "i32", "u32", "ptr"], returns: "i32" },
  bpf_xdp_query: { args: ["i32", "i32", "ptr"], returns: "i32" },
  bpf_tc_hook_create: { args: ["ptr"], returns: "i32" },
  bpf_tc_hook_destroy: { args: ["ptr"], returns: "i32" },
  bpf_tc_attach: { args: ["ptr", "ptr"], returns: "i32" },
  bpf_tc_detach: { args: ["ptr", "ptr"], returns: "i32" },
  bpf_tc_query: { args: ["ptr", "ptr"], returns: "i32" },
} as const;

export type Libbpf = Library<typeof table>;

let opened: Libbpf | undefined;

/** Never libbpf.so (a development link) and never the incompatible libbpf.so.0. */
function paths(): string[] {
  const { WEIR_LIBBPF: override } = process.env;
  return override ? [override] : ["libbpf.so.1"];
}

/** What to do where libbpf is not there, is another library, or is too old. */
function cure(): string {
  const { WEIR_LIBBPF: override } = process.env;
  if (override) return "have WEIR_LIBBPF give the absolute path of libbpf 1.1 or newer, or unset it";
  return "install libbpf 1.1 or newer (Debian and Ubuntu: apt-get install libbpf1)";
}

function open(): Libbpf {
  try {
    return runtime.open(paths(), table);
  } catch (error) {
    if (!(error instanceof WeirError)) throw error;
    const { code, operation, reason, cause } = error;
    throw new WeirError({ code, operation, reason, cause, hint: cure() });
  }
}

function load(): Libbpf {
  const library = open();
  const version = libraryVersion(library);
  if (version.major !== 1 || version.minor < 1) {
    throw new WeirError({
      code: "ENOLIB",
      operation: "use libbpf",
      reason: `version ${version.major}.${version.minor} is too old`,
      hint: cure(),
    });
  }
  // libbpf writes to stderr otherwise; `captureLog` collects what it says.
  library.libbpf_set_print(0 as never);
  return library;
}

function libraryVersion(library: Libbpf): { major: number; minor: number } {
  return { major: library.libbpf_major_version(), minor: library.libbpf_minor_version() };
}

/**
 * libbpf, opened at the first use from the system's library directories or from `$WEIR_LIBBPF` (an absolute path).
 * @throws WeirError `ENOLIB` if it is not there or older than 1.1.
 */
export function libbpf(): Libbpf {
  opened ??= load();
  return opened;
}

/** Version of the libbpf in use, and the file that it was opened from. */
export function libbpfVersion(): { major: number; minor: number; path: string } {
  return { ...libraryVersion(libbpf()), path: candidates(paths())[0] ?? "" };
}

let cpus = 0;

/** Number of possible CPUs: how many values an element of a per-CPU map has. */
export function possibleCpus(): number {
  if (cpus === 0) cpus = libbpf().libbpf_num_possible_cpus();
  return cpus;
}
