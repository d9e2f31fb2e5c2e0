// What a recording is asked and what it tells, as core/dashboard/src/play.rs defines it.

export type Look =
  | { look: "about" | "figures" }
  | { look: "frame"; at_ms: number; person?: number | undefined }
  | { look: "changes"; from_ms: number; to_ms: number; person?: number | undefined }
  | { look: "person"; who: number }
  | { look: "messages"; from: number }
  | { look: "spread"; message: number };

export interface Answers {
  about: About;
  frame: Frame;
  changes: Changes;
  person: Person;
  messages: { messages: Written[] };
  spread: Spread;
  figures: Figures;
}

export interface Seen {
  seen: keyof Answers;
  value: unknown;
}

export type Phone = "away" | "on" | "asleep" | "empty" | "crashed";
export type Medium = "ble" | "lan" | "internet";

export interface About {
  title: string;
  shows: string | null;
  made: string;
  duration_ms: number;
  end_ms: number;
  records: number;
  trace: string;
  people: number;
  drawn_every: number;
  groups: [name: string, people: number][];
  channels: [name: string, members: number][];
  messages: number;
  copies: number;
  delivered: number;
  walls: [x1: number, y1: number, x2: number, y2: number, loss_db: number][];
}

/** Who, where its way began and when, where it ends and when, its phone, whether it has the Internet. */
export type Dot = [number, number, number, number, number, number, number, Phone, boolean];
export type Wire = [one: number, other: number, medium: Medium, dbm: number | null];

export interface Totals {
  here: number;
  on: number;
  links: [ble: number, lan: number, internet: number];
  said: number;
}

export interface Frame {
  at_ms: number;
  people: Dot[];
  links: Wire[];
  totals: Totals;
}

export type Change = { t: number } & ({ dot: Dot } | { up: Wire } | { down: Wire } | { said: [who: number, message: number] });

export interface Changes {
  to_ms: number;
  changes: Change[];
  totals: Totals;
  skipped: boolean;
}

/** Which, since when, from whom (itself: it wrote it), and when it read it. */
export type Had = [message: number, at_ms: number, from: number | null, read_ms: number | null];

export interface Person {
  who: number;
  messages: Had[];
  had: number;
  joules: [at_ms: number, joules: number][];
}

export interface Written {
  message: number;
  author: number;
  channel: number;
  said_ms: number;
  bytes: number;
  holders: number;
  delivered: number;
}

/** Who, when, from whom, from how many it can have come, and when it read it. */
export type Reached = [who: number, at_ms: number, from: number | null, among: number, read_ms: number | null];

export interface Spread {
  written: Written;
  members: number;
  copies: number;
  reached: Reached[];
  curve: [at_ms: number, holders: number, readers: number][];
  within_ms: [half: number, most: number, all: number] | null;
}

export interface Plot {
  title: string;
  /** Nothing where it is the time of the run. */
  x: string | null;
  y: string;
  y_top: number;
  series: { name: string; points: [x: number, y: number][] }[];
  columns: string[];
}

export interface Figures {
  met: boolean | null;
  rows: [name: string, value: string][];
  verdicts: [words: string, met: boolean][];
  plots: Plot[];
  lacks: string | null;
}
