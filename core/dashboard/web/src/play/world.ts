// Everybody on the map at the playhead: a frame, and the changes after it in order.

import type { Change, Changes, Dot, Frame, Phone, Spread, Totals, Wire } from "./types";

export interface Place {
  x: number;
  y: number;
}

/** Something that is to happen on the map at a time. */
export type Step = Change | { t: number; frame: Frame } | { t: number; totals: Totals };

export class World {
  readonly dots = new Map<number, Dot>();
  readonly links = new Map<string, Wire>();
  totals: Totals = { here: 0, on: 0, links: [0, 0, 0], said: 0 };
  /** When each person last wrote, to show it for a moment. */
  readonly spoke = new Map<number, number>();
  private steps: Step[] = [];
  private next = 0;

  /** Begins anew at a frame. */
  set(frame: Frame): void {
    this.steps = [];
    this.next = 0;
    this.spoke.clear();
    this.show(frame);
  }

  add(changes: Changes): void {
    this.drop();
    this.steps.push(...changes.changes, { t: changes.to_ms, totals: changes.totals });
  }

  addFrame(frame: Frame): void {
    this.drop();
    this.steps.push({ t: frame.at_ms, frame });
  }

  /** Lets happen what happens up to a time; whether anything did. */
  advance(to: number): boolean {
    const from = this.next;
    for (let step = this.steps[this.next]; step && step.t <= to; step = this.steps[++this.next]) this.take(step);
    return this.next > from;
  }

  linksOf(who: number): Wire[] {
    return [...this.links.values()].filter(([one, other]) => one === who || other === who);
  }

  private drop(): void {
    if (this.next === 0) return;
    this.steps.splice(0, this.next);
    this.next = 0;
  }

  private show(frame: Frame): void {
    this.dots.clear();
    for (const dot of frame.people) this.dots.set(dot[0], dot);
    this.links.clear();
    for (const wire of frame.links) this.links.set(key(wire), wire);
    this.totals = frame.totals;
  }

  private take(step: Step): void {
    if ("dot" in step) this.dots.set(step.dot[0], step.dot);
    else if ("up" in step) this.links.set(key(step.up), step.up);
    else if ("down" in step) this.links.delete(key(step.down));
    else if ("said" in step) this.spoke.set(step.said[0], step.t);
    else if ("frame" in step) this.show(step.frame);
    else this.totals = step.totals;
  }
}

function key([one, other, medium]: Wire): string {
  return `${one} ${other} ${medium}`;
}

/** Where somebody is at a time, in decimetres. */
export function place([, x, y, departs, toX, toY, arrives]: Dot, at: number): Place {
  if (at >= arrives || arrives <= departs) return { x: toX, y: toY };
  const part = Math.max(0, at - departs) / (arrives - departs);
  return { x: x + (toX - x) * part, y: y + (toY - y) * part };
}

/** How far a message is at a time. */
export interface Far {
  said: boolean;
  holders: number;
  readers: number;
}

export function far(spread: Spread, at: number): Far {
  const { curve, written } = spread;
  let [low, high] = [0, curve.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((curve[middle]?.[0] ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  const [, holders, readers] = curve[low - 1] ?? [0, 0, 0];
  return { said: at >= written.said_ms, holders, readers };
}

/** The way of a message to somebody, from its author; as far as it is known. */
export function way(spread: Spread, who: number, at: number): { people: number[]; whole: boolean } {
  const rows = new Map(spread.reached.map((row) => [row[0], row]));
  const people = [who];
  for (let row = rows.get(who); row && row[1] <= at && people.length < 1000; row = rows.get(people[0] as number)) {
    if (row[2] === null) return { people, whole: false };
    people.unshift(row[2]);
    if (row[2] === spread.written.author) break;
  }
  return { people, whole: people[0] === spread.written.author };
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The part of the world to look at: all but those who are very far from most. In decimetres, never without extent. */
export function fit(places: Place[]): Box {
  const along = (values: number[]): [number, number] => {
    values.sort((a, b) => a - b);
    const at = (part: number) => values[Math.round((values.length - 1) * part)] ?? 0;
    const [low, high] = [at(0.06), at(0.94)];
    const spare = Math.max(high - low, 60);
    const near = values.filter((value) => value >= low - spare && value <= high + spare);
    return [near[0] ?? 0, near[near.length - 1] ?? 0];
  };
  const [left, right] = along(places.map(({ x }) => x));
  const [bottom, top] = along(places.map(({ y }) => y));
  const least = 80;
  const [width, height] = [Math.max(right - left, least), Math.max(top - bottom, least)];
  return { x: (left + right - width) / 2, y: (bottom + top - height) / 2, width, height };
}

/** The part of the world around somebody in which the nearest dozen stand. */
export function around(middle: Place, places: Place[]): Box {
  const far = places.map(({ x, y }) => Math.hypot(x - middle.x, y - middle.y)).sort((a, b) => a - b);
  const radius = Math.max(60, 1.3 * (far[Math.min(12, far.length - 1)] ?? 0));
  return { x: middle.x - radius, y: middle.y - radius, width: 2 * radius, height: 2 * radius };
}

export const PHONES: Record<Phone, string> = {
  away: "not here yet",
  on: "on",
  asleep: "asleep",
  empty: "battery empty",
  crashed: "crashed",
};

/** What a person is called: its group and its number in it. */
export function nameOf(groups: [string, number][], who: number): string {
  let first = 0;
  for (const [name, size] of groups) {
    if (who < first + size) return size === 1 ? name : `${name} ${who - first + 1}`;
    first += size;
  }
  return `person ${who + 1}`;
}

/** Virtual time, for people. */
export function virtual(ms: number): string {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  const pad = (value: number) => String(value).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/** How long something took, as exactly as it matters. */
export function took(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}
