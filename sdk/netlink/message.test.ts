// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { AttributeTable, forEachAttribute, regionOf } from "./attribute.ts";
import { forEachMessage, MESSAGE_HEADER_SIZE, MessageWriter } from "./message.ts";

function region(size = 256): ReturnType<typeof regionOf> {
  return regionOf(new Uint8Array(size).fill(0xaa));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

describe("a message writer", () => {
  test("writes the header and aligned attributes as the kernel expects them", () => {
    const target = region();
    const writer = new MessageWriter(target);
    writer.begin(16, 0x0605, 7);
    writer.view.setUint8(writer.reserve(4), 0x11);
    writer.u8(1, 0xff);
    writer.string(3, "lo");
    writer.u32(4, 0x01020304);
    writer.flag(5);
    const length = writer.finish();
    expect(hex(target.bytes.subarray(0, length))).toBe(
      [
        "30000000",
        "1000",
        "0506",
        "07000000",
        "00000000",
        "11000000",
        "0500" + "0100" + "ff000000",
        "0700" + "0300" + "6c6f0000",
        "0800" + "0400" + "04030201",
        "0400" + "0500",
      ].join(""),
    );
    expect(target.bytes[length]).toBe(0xaa);
  });

  test("marks nests and gives them the length of all that they hold", () => {
    const target = region();
    const writer = new MessageWriter(target);
    writer.begin(1, 0, 1);
    writer.nest(18, () => {
      writer.string(1, "veth");
      writer.nest(2, () => writer.u16(1, 9));
    });
    const length = writer.finish();
    expect(hex(target.bytes.subarray(MESSAGE_HEADER_SIZE, length))).toBe(
      "1c00" + "1280" + "0900" + "0100" + "7665746800000000" + "0c00" + "0280" + "0600" + "0100" + "09000000",
    );
  });

  test("replaces the last message with the next", () => {
    const target = region();
    const writer = new MessageWriter(target);
    writer.begin(1, 0, 1);
    writer.string(1, "a long name of the first message");
    writer.begin(2, 0, 2);
    writer.reserve(4);
    expect(writer.finish()).toBe(20);
    expect(hex(target.bytes.subarray(0, 20))).toBe("1400000002000000020000000000000000000000");
  });

  test("refuses what does not fit", () => {
    const writer = new MessageWriter(region(32));
    writer.begin(1, 0, 1);
    expect(() => writer.bytes(1, new Uint8Array(64))).toThrow("it is longer than 32 bytes");
  });
});

describe("messages", () => {
  test("are visited in order, until the visitor has enough", () => {
    const bytes = new Uint8Array(64);
    const view = new DataView(bytes.buffer);
    for (const [index, offset] of [0, 20].entries()) {
      view.setUint32(offset, index === 0 ? 18 : 16, true);
      view.setUint16(offset + 4, 100 + index, true);
      view.setUint32(offset + 8, 5, true);
    }
    const types: number[] = [];
    forEachMessage(regionOf(bytes), 36, (message) => {
      types.push(message.type);
      expect(message.sequence).toBe(5);
      return true;
    });
    expect(types).toEqual([100, 101]);
    forEachMessage(regionOf(bytes), 36, (message) => {
      types.push(message.type);
      return false;
    });
    expect(types).toEqual([100, 101, 100]);
  });

  test("that are cut off are not visited", () => {
    const bytes = new Uint8Array(16);
    new DataView(bytes.buffer).setUint32(0, 40, true);
    forEachMessage(regionOf(bytes), 16, () => {
      throw new Error("visited");
    });
  });
});

describe("an attribute table", () => {
  const source = regionOf(
    Uint8Array.from(
      Buffer.from(
        "00000000" +
          "05000100ff000000" +
          "06000240" +
          "34120000" +
          "0800038004030201" +
          "0800060064617461" +
          "0800210000000000",
        "hex",
      ),
    ),
  );
  const table = new AttributeTable(6);

  test("finds payloads by type, whatever flags the type carries", () => {
    table.read(source, 4, source.bytes.byteLength);
    expect(table.u8(1)).toBe(0xff);
    expect(table.u16(2)).toBe(0x1234);
    expect(table.u32(3)).toBe(0x01020304);
    expect(table.i32(3)).toBe(0x01020304);
    expect(table.string(6)).toBe("data");
    expect(table.bytes(6)).toEqual(new TextEncoder().encode("data"));
    expect(table.has(4)).toBe(false);
    expect(table.u32(4)).toBeUndefined();
  });

  test("does not read past a payload that is too short", () => {
    table.read(source, 4, source.bytes.byteLength);
    expect(table.u32(1)).toBeUndefined();
  });

  test("forgets the attributes of the message before", () => {
    table.read(source, 4, source.bytes.byteLength);
    table.read(source, 4, 12);
    expect(table.has(1)).toBe(true);
    expect(table.has(6)).toBe(false);
  });

  test("stops at a malformed attribute", () => {
    for (const bad of ["0300010000000000", "ff00010000000000"]) {
      const broken = regionOf(Uint8Array.from(Buffer.from(bad, "hex")));
      expect(table.read(broken, 0, 8).has(1)).toBe(false);
      forEachAttribute(broken, 0, 8, () => {
        throw new Error("visited");
      });
    }
  });
});
