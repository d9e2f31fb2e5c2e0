import { expect, test } from "vitest";
import { block, bytes, clock, duration, line, milliseconds, short } from "./text";

test("what steers or reverses text is shown as what it is", () => {
  const nasty = "a\u001bb\u009bc\u202ed\u2066e\u200ff\u0007g\u{e0041}h\u{f0001}";
  expect(block(nasty)).toBe("a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ufffdg\ufffdh\ufffd");
  expect(block("a\r\nb\rc\td")).toBe("a\nb\nc\td");
});

test("languages and emoji stay", () => {
  for (const text of ["Ærø – žluťoučký", "日本語", "שלום", "👩\u200d🚀 ok", "❤\ufe0f"]) expect(block(text)).toBe(text);
});

test("letters do not smear over other lines", () => {
  expect(block(`a${"\u0301".repeat(500)}b`)).toBe(`a${"\u0301".repeat(4)}b`);
});

test("names are one line, capped, and never empty", () => {
  expect(line("a\n b")).toBe("a b");
  expect(line(" \n")).toBe("?");
  expect([...line("日".repeat(100), 10)]).toHaveLength(10);
  expect(line("x".repeat(10), 10)).toBe("x".repeat(10));
  expect(line("x".repeat(11), 10)).toBe(`${"x".repeat(9)}…`);
});

test("figures are short", () => {
  expect([0, 999, 1000, 123_456, 5_000_000].map(bytes)).toEqual(["0 B", "999 B", "1.0 KB", "123 KB", "5.0 MB"]);
  expect([0, 59, 60, 3600, 90_000].map(duration)).toEqual(["0 s", "59 s", "1 min", "1 h 0 min", "1 d 1 h"]);
  expect([0, 1, 1500].map(milliseconds)).toEqual(["under 1 ms", "1 ms", "1,500 ms"]);
  expect(short("12D3KooWabcdef")).toBe("abcdef");
  expect(clock("nonsense")).toBe("?");
  expect(clock("2026-01-02T03:04:05", new Date("2026-01-02T12:00:00"))).toBe("03:04");
  expect(clock("2026-01-02T03:04:05", new Date("2026-01-03T12:00:00"))).toBe("2026-01-02 03:04");
});
