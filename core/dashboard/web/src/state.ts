// What the page knows, and how events change it.

import { batch, computed, signal } from "@preact/signals";
import type {
  ApiError,
  ChannelSummary,
  Command,
  DoctorCheck,
  Event,
  HistoryEntry,
  PanelInfo,
  PeerInfo,
  PeerState,
  Reply,
  Setting,
  Status,
} from "./api";
import { hasSession, Live, type Hello } from "./live";
import type { Answers, Look, Seen } from "./play/types";

export type Stage = "starting" | "login" | "live" | "lost" | "ended";
export type Page = "home" | "chat" | "people" | "settings";

export const stage = signal<Stage>("starting");
export const page = signal<Page>("home");
export const version = signal("");
export const shows = signal<Hello["shows"]>("node");
export const settings = signal<Setting[]>([]);
export const status = signal<Status | undefined>(undefined);
export const channels = signal<ChannelSummary[]>([]);
export const doctor = signal<DoctorCheck[] | undefined>(undefined);
export const notice = signal<string>("");
export const open = signal<string | undefined>(undefined);
export const panelOpen = signal(false);
export const panel = signal<PanelInfo | undefined>(undefined);

/** All peers by their transport ids; the signal beside it rings when they changed. */
const everybody = new Map<string, PeerInfo>();
const rung = signal(0);

const ORDER: Record<PeerState, number> = { connected: 0, connecting: 1, seen: 2, lost: 3 };

/** Best first: linked, then those being connected to, then those only seen. */
export const peers = computed<PeerInfo[]>(() => {
  rung.value;
  return [...everybody.values()].sort(
    (a, b) => ORDER[a.state] - ORDER[b.state] || a.rank - b.rank || (a.transport_id < b.transport_id ? -1 : 1),
  );
});

export const linked = computed(() => peers.value.filter((peer) => peer.state === "connected").length);
export const unread = computed(() => channels.value.reduce((sum, channel) => sum + channel.unread, 0));

/** Messages that are kept of one channel; older ones are asked for again. */
export const MAX_KEPT = 1000;
export const PAGE_OF_HISTORY = 50;

export interface Conversation {
  entries: HistoryEntry[];
  /** Whether there may be older ones. */
  more: boolean;
}

export const conversation = signal<Conversation | undefined>(undefined);

const live = new Live({
  hello(hello) {
    batch(() => {
      version.value = hello.version;
      settings.value = hello.settings;
      shows.value = hello.shows;
      stage.value = "live";
    });
    if (hello.shows === "recording") return;
    void refresh();
    if (panelOpen.value) live.watchPanel(true);
  },
  events(events) {
    batch(() => apply(events));
  },
  panel(info) {
    if (panelOpen.value) panel.value = info;
  },
  gone(again) {
    if (stage.value !== "ended") stage.value = again ? "lost" : "login";
  },
});

export async function start(): Promise<void> {
  const known = await hasSession();
  if (known === false) stage.value = "login";
  else live.connect();
}

/** After the code was taken. */
export function enter(): void {
  live.connect();
}

/** Asks the node; the kind of answer is the caller's to expect. */
export async function ask<K extends Reply["reply"]>(
  command: Command,
  kind: K,
): Promise<Extract<Reply, { reply: K }>> {
  const reply = (await live.ask(command)) as Reply;
  if (reply.reply !== kind) throw { kind: "internal", message: "The node's answer makes no sense.", hint: "" };
  return reply as Extract<Reply, { reply: K }>;
}

/** Looks at the recording. */
export async function see<K extends keyof Answers>(look: Look, kind: K): Promise<Answers[K]> {
  const seen = (await live.ask(look)) as Seen;
  if (seen.seen !== kind) throw { kind: "internal", message: "The answer makes no sense.", hint: "" };
  return seen.value as Answers[K];
}

/** What went wrong, for people. */
export function explain(error: unknown): string {
  const { message, hint } = error as ApiError;
  const said = message ?? String(error);
  const sentence = said.charAt(0).toUpperCase() + said.slice(1);
  return hint ? `${sentence} (${hint})` : sentence;
}

/** Does something, and says so if it fails. */
export async function attempt(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
    notice.value = "";
    return true;
  } catch (error) {
    notice.value = explain(error);
    return false;
  }
}

let refreshing: Promise<void> | undefined;

/** Looks at everything anew: at the start, and when events were missed. */
export function refresh(): Promise<void> {
  refreshing ??= (async () => {
    try {
      const [all] = await Promise.all([ask({ command: "peers" }, "peers"), look(), lookChannels()]);
      everybody.clear();
      for (const peer of all.value) everybody.set(peer.transport_id, peer);
      rung.value++;
      if (open.value) await openChannel(open.value);
    } catch {
      // The connection went: what comes after it starts anew.
    } finally {
      // Not at once again, however much is missed.
      setTimeout(() => (refreshing = undefined), 2000);
    }
  })();
  return refreshing;
}

export async function look(): Promise<void> {
  status.value = (await ask({ command: "status" }, "status")).value;
}

export async function lookChannels(): Promise<void> {
  channels.value = (await ask({ command: "channel_list" }, "channels")).value;
}

export async function examine(): Promise<void> {
  doctor.value = (await ask({ command: "doctor" }, "doctor")).value;
}

export async function openChannel(id: string): Promise<void> {
  if (open.value !== id) conversation.value = undefined;
  open.value = id;
  const command = { command: "history", channel: id, limit: PAGE_OF_HISTORY } as const;
  const { value } = await ask(command, "history");
  if (open.value !== id) return;
  conversation.value = { entries: value, more: value.length === PAGE_OF_HISTORY };
  markRead(id);
}

export async function older(): Promise<void> {
  const id = open.value;
  const first = conversation.value?.entries[0];
  if (!id || !first) return;
  const command = { command: "history", channel: id, limit: PAGE_OF_HISTORY, before: first.id } as const;
  const { value } = await ask(command, "history");
  const now = conversation.value;
  if (open.value !== id || !now || now.entries[0]?.id !== first.id) return;
  conversation.value = { entries: [...value, ...now.entries], more: value.length === PAGE_OF_HISTORY };
}

export function closeChannel(): void {
  open.value = undefined;
  conversation.value = undefined;
}

function markRead(id: string): void {
  const seen = page.value === "chat" && open.value === id && !document.hidden;
  if (!seen || !channels.value.some((channel) => channel.id === id && channel.unread > 0)) return;
  channels.value = channels.value.map((channel) => (channel.id === id ? { ...channel, unread: 0 } : channel));
  void ask({ command: "channel_read", channel: id }, "done").catch(() => undefined);
}

/** Called when the page or the tab comes into view. */
export function inView(): void {
  if (open.value) markRead(open.value);
}

export function togglePanel(on = !panelOpen.value): void {
  if (on === panelOpen.value) return;
  panelOpen.value = on;
  if (!on) panel.value = undefined;
  live.watchPanel(on);
}

let stale = false;

/** The status follows the events a moment later, all of them together. */
function lookSoon(): void {
  if (stale) return;
  stale = true;
  setTimeout(() => {
    stale = false;
    void look().catch(() => undefined);
  }, 300);
}

export function apply(events: Event[]): void {
  let people = false;
  for (const event of events) {
    switch (event.type) {
      case "peer_discovered":
      case "peer_updated":
        everybody.set(event.peer.transport_id, event.peer);
        people = true;
        break;
      case "peer_lost":
        everybody.delete(event.transport_id);
        people = true;
        break;
      case "link_up":
      case "link_down":
      case "listen_changed":
        lookSoon();
        break;
      case "message":
        arrived(event.channel, event.message);
        break;
      case "message_state":
        if (event.channel === open.value && conversation.value) {
          const changed = (entry: HistoryEntry) => (entry.id === event.id ? { ...entry, state: event.state } : entry);
          conversation.value = { ...conversation.value, entries: conversation.value.entries.map(changed) };
        }
        break;
      case "channel_joined":
      case "channel_left":
        if (event.type === "channel_left" && open.value === event.id) closeChannel();
        void lookChannels().catch(() => undefined);
        break;
      case "warning":
        notice.value = event.message;
        lookSoon();
        break;
      case "missed":
        void refresh();
        break;
      case "stopping":
        stage.value = "ended";
        break;
      case "synced":
      case "started":
        break;
    }
  }
  if (people) {
    rung.value++;
    lookSoon();
  }
}

function arrived(channel: string, message: HistoryEntry): void {
  if (!message.own) {
    channels.value = channels.value.map((known) =>
      known.id === channel ? { ...known, unread: known.unread + 1 } : known,
    );
  }
  const now = conversation.value;
  if (channel !== open.value || !now || now.entries.some((entry) => entry.id === message.id)) return;
  conversation.value = { more: now.more || now.entries.length >= MAX_KEPT, entries: insert(now.entries, message) };
  markRead(channel);
}

/** In the node's order, which is by place and then by id; nearly always at the end. */
export function insert(entries: HistoryEntry[], message: HistoryEntry): HistoryEntry[] {
  const before = (a: HistoryEntry, b: HistoryEntry) => a.lamport - b.lamport || (a.id < b.id ? -1 : 1);
  let at = entries.length;
  while (at > 0 && before(message, entries[at - 1] as HistoryEntry) < 0) at--;
  const all = [...entries.slice(0, at), message, ...entries.slice(at)];
  return all.slice(-MAX_KEPT);
}
