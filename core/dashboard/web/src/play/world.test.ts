import { expect, test } from "vitest";
import type { Dot, Frame, Spread } from "./types";
import { around, far, fit, nameOf, place, virtual, way, World } from "./world";

const dot = (who: number, x: number): Dot => [who, x, 0, 0, x, 0, 0, "on", false];
const totals = { here: 2, on: 2, links: [1, 0, 0] as [number, number, number], said: 0 };
const frame = (at_ms: number, links: Frame["links"]): Frame => ({ at_ms, people: [dot(0, 0), dot(1, 10)], links, totals });

test("changes happen when their time has come, and a frame replaces all", () => {
  const world = new World();
  world.set(frame(0, [[0, 1, "ble", -60]]));
  world.add({
    to_ms: 100,
    skipped: false,
    totals: { ...totals, said: 1 },
    changes: [
      { t: 50, down: [0, 1, "ble", null] },
      { t: 60, said: [1, 0] },
    ],
  });
  expect(world.advance(49)).toBe(false);
  expect(world.linksOf(1)).toHaveLength(1);
  expect(world.advance(50)).toBe(true);
  expect(world.linksOf(1)).toHaveLength(0);
  expect(world.totals.said).toBe(0);
  world.advance(100);
  expect([world.totals.said, world.spoke.get(1)]).toEqual([1, 60]);
  world.addFrame(frame(200, [[0, 1, "lan", null]]));
  world.advance(199);
  expect(world.links.size).toBe(0);
  world.advance(200);
  expect(world.linksOf(0)).toEqual([[0, 1, "lan", null]]);
});

test("people are on their straight way", () => {
  const walker: Dot = [0, 0, 0, 1000, 100, -50, 3000, "on", false];
  expect(place(walker, 0)).toEqual({ x: 0, y: 0 });
  expect(place(walker, 2000)).toEqual({ x: 50, y: -25 });
  expect(place(walker, 9000)).toEqual({ x: 100, y: -50 });
});

const spread: Spread = {
  written: { message: 0, author: 0, channel: 0, said_ms: 10, bytes: 1, holders: 3, delivered: 2 },
  members: 3,
  copies: 4,
  reached: [
    [1, 20, 0, 1, 20],
    [2, 30, 1, 1, null],
    [3, 40, null, 2, 50],
  ],
  curve: [
    [10, 0, 0],
    [20, 1, 1],
    [30, 2, 1],
    [40, 3, 1],
    [50, 3, 2],
  ],
  within_ms: [10, 40, 40],
};

test("a message is as far as its curve says, and its way goes back to its author", () => {
  expect(far(spread, 9)).toEqual({ said: false, holders: 0, readers: 0 });
  expect(far(spread, 39)).toEqual({ said: true, holders: 2, readers: 1 });
  expect(far(spread, 1e9)).toEqual({ said: true, holders: 3, readers: 2 });
  expect(way(spread, 2, 30)).toEqual({ people: [0, 1, 2], whole: true });
  expect(way(spread, 2, 29).people).toEqual([2]);
  expect(way(spread, 3, 99)).toEqual({ people: [3], whole: false });
});

test("the picture leaves out who is very far, and has an extent with one person", () => {
  const village = Array.from({ length: 200 }, (_, at) => ({ x: at, y: (at * 7) % 100 }));
  const box = fit([...village, { x: 1e6, y: 0 }, { x: 2e6, y: 0 }]);
  expect(box.width).toBeLessThan(600);
  expect(fit([{ x: 5, y: 5 }])).toEqual({ x: -35, y: -35, width: 80, height: 80 });
});

test("who is followed stands in the middle, with the nearest dozen", () => {
  const row = Array.from({ length: 40 }, (_, at) => ({ x: at * 100, y: 0 }));
  expect(around({ x: 0, y: 0 }, row)).toEqual({ x: -1560, y: -1560, width: 3120, height: 3120 });
  expect(around({ x: 5, y: 5 }, [{ x: 5, y: 5 }]).width).toBe(120);
});

test("names and times are for people", () => {
  const groups: [string, number][] = [["early", 2], ["late", 1]];
  expect([0, 1, 2, 3].map((who) => nameOf(groups, who))).toEqual(["early 1", "early 2", "late", "person 4"]);
  expect([0, 65_999, 3_600_000].map(virtual)).toEqual(["0:00", "1:05", "1:00:00"]);
});
