// The playhead: what time it is in the recording, and what is loaded ahead of it.

import { batch, signal } from "@preact/signals";
import { see } from "../state";
import type { About, Figures, Person, Spread, Written } from "./types";
import { World } from "./world";

export const SPEEDS = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600];
/** A run is played in about so many seconds unless a person says otherwise. */
const WHOLE = 60;
/** Changes are loaded so far ahead, and so much at a time, in milliseconds of the person's time. */
const AHEAD = 2000;
const PORTION = 1000;
/** What shows figures follows the playhead so often, in milliseconds. */
const BEAT = 250;

export const about = signal<About | undefined>(undefined);
export const figures = signal<Figures | undefined>(undefined);
export const messages = signal<Written[]>([]);
export const playing = signal(false);
export const waiting = signal(false);
export const speed = signal(10);
/** The playhead in milliseconds, four times a second while it moves. */
export const beat = signal(0);
/** Up by one when the map shows another moment than before without the playhead having moved. */
export const turned = signal(0);
export const person = signal<Person | undefined>(undefined);
export const chosen = signal<number | undefined>(undefined);
export const spread = signal<Spread | undefined>(undefined);
export const failed = signal("");

export const world = new World();
/** Called before each frame of the screen. */
export const frames = new Set<(now: number) => void>();

let now = 0;
let loaded = 0;
/** Up by one with each jump: answers to older questions are dropped. */
let age = 0;
let asking = false;
let seeking: number | undefined;
/** More happens than can be told one by one: the next portion is a frame. */
let crowded = false;
let last: number | undefined;
let beaten = 0;

export function head(): number {
  return now;
}

export function end(): number {
  return about.value?.end_ms ?? 0;
}

export async function begin(): Promise<void> {
  const known = await see({ look: "about" }, "about");
  const wanted = known.end_ms / 1000 / WHOLE;
  batch(() => {
    about.value = known;
    if (!figures.value) speed.value = SPEEDS.reduce((best, one) => (Math.abs(one - wanted) < Math.abs(best - wanted) ? one : best));
  });
  seek(now);
  if (last === undefined) {
    last = performance.now();
    requestAnimationFrame(tick);
  }
  figures.value = await see({ look: "figures" }, "figures");
  const all: Written[] = [];
  // Answers are short; a list of more than some thousands nobody reads.
  while (all.length < Math.min(known.messages, 4000)) {
    const more = (await see({ look: "messages", from: all.length }, "messages")).messages;
    if (more.length === 0) break;
    all.push(...more);
    messages.value = [...all];
  }
}

/** Goes to a time. Only the last of many jumps is looked at. */
export function seek(to: number): void {
  now = Math.max(0, Math.min(end(), to));
  age++;
  waiting.value = true;
  tellBeat();
  if (seeking === undefined) void jump();
  else seeking = now;
}

async function jump(): Promise<void> {
  for (seeking = now; seeking !== undefined; ) {
    const [at, mine] = [seeking, age];
    try {
      const frame = await see({ look: "frame", at_ms: Math.floor(at), person: person.value?.who ?? wanted }, "frame");
      if (mine === age) {
        world.set(frame);
        loaded = frame.at_ms;
        crowded = false;
        seeking = undefined;
        waiting.value = false;
        turned.value++;
      }
    } catch (error) {
      seeking = undefined;
      tell(error);
    }
  }
}

async function load(): Promise<void> {
  const [mine, from] = [age, loaded];
  const to_ms = Math.ceil(Math.min(end(), from + speed.value * PORTION));
  const who = person.value?.who;
  asking = true;
  try {
    if (crowded) {
      const frame = await see({ look: "frame", at_ms: to_ms, person: who }, "frame");
      if (mine !== age) return;
      world.addFrame(frame);
      loaded = frame.at_ms;
      crowded = false;
    } else {
      const changes = await see({ look: "changes", from_ms: from, to_ms, person: who }, "changes");
      if (mine !== age) return;
      if (!changes.skipped) {
        world.add(changes);
        loaded = Math.max(loaded, changes.to_ms);
      }
      crowded = changes.skipped || changes.to_ms < from + (to_ms - from) / 2;
    }
  } catch (error) {
    tell(error);
  } finally {
    asking = false;
  }
}

function tick(time: number): void {
  requestAnimationFrame(tick);
  const passed = Math.min(250, time - (last ?? time));
  last = time;
  if (playing.value && seeking === undefined) {
    const to = Math.min(end(), now + passed * speed.value);
    now = Math.min(to, Math.max(loaded, now));
    if (waiting.value !== now < to) waiting.value = now < to;
    if (!asking && loaded < end() && loaded - now < speed.value * AHEAD) void load();
    if (now >= end()) pause();
  }
  if (seeking === undefined) world.advance(now);
  if (time - beaten >= BEAT && beat.value !== now) {
    beaten = time;
    beat.value = now;
  }
  for (const frame of frames) frame(now);
}

function tellBeat(): void {
  beat.value = now;
}

export function play(): void {
  if (now >= end()) seek(0);
  failed.value = "";
  playing.value = true;
}

export function pause(): void {
  playing.value = false;
  waiting.value = seeking !== undefined;
  tellBeat();
}

/** Whom the map is to show though its messages are still being read. */
let wanted: number | undefined;

export async function choosePerson(who: number | undefined): Promise<void> {
  wanted = who;
  if (who === undefined) {
    person.value = undefined;
    return;
  }
  // Of a great crowd only some are drawn, and whoever is followed.
  if ((about.value?.drawn_every ?? 1) > 1) seek(now);
  try {
    const seen = await see({ look: "person", who }, "person");
    if (wanted === who) person.value = seen;
  } catch (error) {
    tell(error);
  }
}

export async function chooseMessage(message: number | undefined): Promise<void> {
  batch(() => {
    chosen.value = message;
    if (spread.value?.written.message !== message) spread.value = undefined;
  });
  if (message === undefined) return;
  try {
    const seen = await see({ look: "spread", message }, "spread");
    if (chosen.value === message) spread.value = seen;
  } catch (error) {
    tell(error);
  }
}

function tell(error: unknown): void {
  const { message } = error as { message?: string };
  batch(() => {
    failed.value = message ?? String(error);
    playing.value = false;
    waiting.value = false;
  });
}
