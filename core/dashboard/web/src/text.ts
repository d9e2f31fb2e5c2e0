// Text of others on its way to the screen, and figures for people. Nothing here makes markup.

/** What steers, hides or reverses text: controls, bidirectional controls, invisible format characters, private use. */
const UNSAFE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb\ue000-\uf8ff]|[\u{e0000}-\u{e0fff}\u{f0000}-\u{10ffff}]/gu;
/** Marks beyond the fourth on one letter would smear over other lines. */
const SMEAR = /(\p{M}{4})\p{M}+/gu;

/** A message: line breaks stay. */
export function block(text: string): string {
  return text.replace(/\r\n?/g, "\n").replace(UNSAFE, "\ufffd").replace(SMEAR, "$1");
}

/** A name or a line: no breaks, at most so many letters, never empty. */
export function line(text: string, most = 64): string {
  const clean = block(text).replace(/\s+/gu, " ").trim();
  const letters = [...clean];
  if (letters.length === 0) return "?";
  return letters.length > most ? letters.slice(0, most - 1).join("") + "…" : clean;
}

/** The end of an id: beginnings are alike. */
export function short(id: string): string {
  return id.length > 8 ? id.slice(-6) : id;
}

const UNITS = ["B", "KB", "MB", "GB", "TB"];

export function bytes(count: number): string {
  let unit = 0;
  let value = count;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** A round trip: two nodes on one machine answer within the node's unit. */
export function milliseconds(ms: number): string {
  return ms < 1 ? "under 1 ms" : `${ms.toLocaleString("en")} ms`;
}

export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function clock(at: string, now = new Date()): string {
  const then = new Date(at);
  if (Number.isNaN(then.getTime())) return "?";
  const time = `${pad(then.getHours())}:${pad(then.getMinutes())}`;
  if (then.toDateString() === now.toDateString()) return time;
  return `${then.getFullYear()}-${pad(then.getMonth() + 1)}-${pad(then.getDate())} ${time}`;
}

export function count(number: number, one: string, many: string): string {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

function pad(number: number): string {
  return String(number).padStart(2, "0");
}
