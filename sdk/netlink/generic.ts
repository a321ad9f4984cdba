// SPDX-License-Identifier: Apache-2.0
/** Generic netlink: families are found by name and given a message type at run time (`linux/genetlink.h`). */

import { WeirError } from "../errors.ts";
import { AttributeTable } from "./attribute.ts";
import { NETLINK_GENERIC } from "./constants.ts";
import type { MessageWriter, NetlinkMessage } from "./message.ts";
import { NetlinkSocket } from "./socket.ts";

/** Bytes of `struct genlmsghdr`: u8 command, u8 version, u16. */
export const GENERIC_HEADER_SIZE = 4;

/** The control family, whose type is fixed. */
const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;

const attributes = new AttributeTable(CTRL_ATTR_FAMILY_NAME);

/** Requests to one family. */
export class GenericFamily implements Disposable {
  readonly #socket: NetlinkSocket;
  readonly #type: number;
  readonly #version: number;

  private constructor(socket: NetlinkSocket, type: number, version: number) {
    this.#socket = socket;
    this.#type = type;
    this.#version = version;
  }

  /** @throws WeirError `EOPNOTSUPP` if the kernel does not have the family */
  static open(name: string, version: number, netns?: string): GenericFamily {
    const socket = NetlinkSocket.open(NETLINK_GENERIC, netns);
    try {
      return new GenericFamily(socket, lookUpFamily(socket, name), version);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** Sends a command and waits for its acknowledgement; `onAnswer` gets the messages that come before. */
  request(
    operation: string,
    command: number,
    build: (writer: MessageWriter) => void,
    onAnswer?: (message: NetlinkMessage) => void,
  ): void {
    this.#socket.request(
      operation,
      this.#type,
      0,
      (writer) => {
        writeGenericHeader(writer, command, this.#version);
        build(writer);
      },
      onAnswer,
    );
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

function writeGenericHeader(writer: MessageWriter, command: number, version: number): void {
  const header = writer.reserve(GENERIC_HEADER_SIZE);
  writer.view.setUint8(header, command);
  writer.view.setUint8(header + 1, version);
}

function lookUpFamily(socket: NetlinkSocket, name: string): number {
  const operation = `look up generic netlink family "${name}"`;
  const unsupported = (cause?: unknown): WeirError =>
    new WeirError({ code: "EOPNOTSUPP", operation, reason: "the kernel does not have it", cause });
  let id: number | undefined;
  try {
    id = socket.get(
      operation,
      GENL_ID_CTRL,
      (writer) => {
        writeGenericHeader(writer, CTRL_CMD_GETFAMILY, 1);
        writer.string(CTRL_ATTR_FAMILY_NAME, name);
      },
      (message) => attributes.read(message, message.start + GENERIC_HEADER_SIZE, message.end).u16(CTRL_ATTR_FAMILY_ID),
    );
  } catch (error) {
    throw error instanceof WeirError && error.code === "ENOENT" ? unsupported(error) : error;
  }
  if (id === undefined) throw unsupported();
  return id;
}
