// The live connection: one WebSocket, commands with numbers, events as they come.

import type { ApiError, Command, Event, PanelInfo, Reply, Setting } from "./api";
import type { Look, Seen } from "./play/types";

export interface Hello {
  version: string;
  /** A running node, or a recording of a simulation. */
  shows: "node" | "recording";
  settings: Setting[];
}

export interface Listener {
  hello(hello: Hello): void;
  events(events: Event[]): void;
  panel(panel: PanelInfo): void;
  /** The connection is gone; `again` tells whether it is tried anew, or the code has to be typed first. */
  gone(again: boolean): void;
}

type Waiting = { resolve(reply: Reply | Seen): void; reject(error: ApiError): void };

const LOST: ApiError = { kind: "gone", message: "The connection was lost.", hint: "It is being tried again." };
/** Between two attempts, in milliseconds; the last one is repeated. */
const RETRY = [250, 1000, 2000, 5000];

export class Live {
  private socket: WebSocket | undefined;
  private waiting = new Map<number, Waiting>();
  private next = 1;
  private failures = 0;

  constructor(private readonly listener: Listener) {}

  connect(): void {
    const socket = new WebSocket(`ws://${location.host}/api/live`);
    this.socket = socket;
    socket.onmessage = (message) => this.heard(JSON.parse(message.data as string));
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = undefined;
      const waiting = [...this.waiting.values()];
      this.waiting.clear();
      waiting.forEach((one) => one.reject(LOST));
      void this.lost();
    };
  }

  ask(command: Command | Look): Promise<Reply | Seen> {
    const socket = this.socket;
    if (!socket || socket.readyState !== WebSocket.OPEN) return Promise.reject(LOST);
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      socket.send(JSON.stringify({ id, ask: command }));
    });
  }

  watchPanel(on: boolean): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ watch: "panel", on }));
  }

  private heard(said: {
    id?: number;
    ok?: Reply | Seen;
    error?: ApiError;
    hello?: Hello;
    events?: Event[];
    panel?: { reply: "panel"; value: PanelInfo };
  }): void {
    if (said.id !== undefined) {
      const waiting = this.waiting.get(said.id);
      this.waiting.delete(said.id);
      if (said.ok) waiting?.resolve(said.ok);
      else waiting?.reject(said.error ?? LOST);
    } else if (said.hello) {
      this.failures = 0;
      this.listener.hello(said.hello);
    } else if (said.events) this.listener.events(said.events);
    else if (said.panel) this.listener.panel(said.panel.value);
  }

  private async lost(): Promise<void> {
    const known = await hasSession();
    this.listener.gone(known !== false);
    if (known === false) return;
    const wait = RETRY[Math.min(this.failures++, RETRY.length - 1)];
    setTimeout(() => this.connect(), wait);
  }
}

/** Whether this browser has typed the code; `undefined` when the node does not answer. */
export async function hasSession(): Promise<boolean | undefined> {
  try {
    const answer = await fetch("/api/session");
    await answer.text();
    return answer.status === 204;
  } catch {
    return undefined;
  }
}

export type Login = "in" | "wrong" | "wait" | "gone";

export async function logIn(code: string): Promise<Login> {
  try {
    const answer = await fetch("/api/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ code }),
    });
    if (answer.status === 204) return "in";
    return answer.status === 429 ? "wait" : "wrong";
  } catch {
    return "gone";
  }
}

export async function logOut(): Promise<void> {
  await fetch("/api/session", { method: "DELETE" });
  location.reload();
}
