// The control API as JSON, as core/node/src/api defines it. Types only: what comes in is the node's own.

export type LinkWord = "lan" | "ble" | "direct" | "relay";
export type PeerState = "seen" | "connecting" | "connected" | "lost";
export type MessageState = "received" | "stored" | "sent" | "delivered" | "read";

export interface PeerInfo {
  transport_id: string;
  identity?: string;
  name?: string;
  contact: boolean;
  link: LinkWord;
  state: PeerState;
  rssi_dbm?: number;
  rtt_ms?: number;
  rank: number;
  age_s: number;
}

export interface Traffic {
  received: number;
  sent: number;
  since: string;
}

export interface LayerStatus {
  state: "on" | "off" | "failed" | "unavailable";
  reason?: string;
  today?: Traffic;
}

export interface Status {
  name: string;
  identity: string;
  mesh_id: string;
  fingerprint: string;
  transport_id: string;
  mode: string;
  network: "offline" | "searching" | "local";
  listen: string[];
  uptime_s: number;
  peers: number;
  channels: number;
  store: {
    messages: number;
    bundles: number;
    carried_bundles: number;
    carried_bytes: number;
    bytes: number;
    read_only: boolean;
  };
  layers: Record<string, LayerStatus>;
  counters: Record<string, number>;
}

export interface ChannelSummary {
  id: string;
  name: string;
  kind: "public" | "private";
  members?: number;
  unread: number;
}

export interface ChannelInfo {
  id: string;
  name: string;
  kind: "public" | "private";
  link: string;
}

export interface HistoryEntry {
  id: string;
  author: string;
  name?: string;
  text: string;
  sent_at: string;
  lamport: number;
  state: MessageState;
  own: boolean;
}

export interface DoctorCheck {
  check: string;
  result: "ok" | "warning" | "problem";
  message: string;
  hint?: string;
}

export interface PanelPeer extends PeerInfo {
  links: {
    link: LinkWord;
    side: "dialed" | "accepted";
    address?: string;
    up_s: number;
    received: number;
    sent: number;
  }[];
  nat?: string;
}

export interface PanelInfo {
  peers: PanelPeer[];
  known: number;
  gossip: boolean;
  topics: {
    channel: string;
    name: string;
    topic: string;
    messages: number;
    by_gossip: number;
    published: number;
    last_received?: string;
    delivered: number;
    delivery_ms?: number;
  }[];
}

export interface Setting {
  key: string;
  value: string;
  from: "default" | "file" | "env" | "flag";
  doc: string;
}

export type Command =
  | { command: "status" | "peers" | "channel_list" | "doctor" | "panel" }
  | { command: "channel_create" | "set_name"; name: string }
  | { command: "channel_join"; target: string }
  | { command: "channel_leave" | "channel_invite" | "channel_read"; channel: string }
  | { command: "send"; channel: string; text: string }
  | { command: "history"; channel: string; limit?: number; before?: string }
  | { command: "ping" | "reconnect"; peer: string };

export type Reply =
  | { reply: "done" }
  | { reply: "status"; value: Status }
  | { reply: "peers"; value: PeerInfo[] }
  | { reply: "channel"; value: ChannelInfo }
  | { reply: "channels"; value: ChannelSummary[] }
  | { reply: "sent"; value: { id: string; channel: string; state: MessageState; lamport: number } }
  | { reply: "history"; value: HistoryEntry[] }
  | { reply: "doctor"; value: DoctorCheck[] }
  | { reply: "panel"; value: PanelInfo }
  | { reply: "pong"; value: { rtt_ms: number } }
  | { reply: "reconnecting"; value: { closed: number; dialing: boolean } };

export interface ApiError {
  kind: string;
  message: string;
  hint: string;
}

export type Event = { at: string } & (
  | { type: "peer_discovered" | "peer_updated"; peer: PeerInfo }
  | { type: "peer_lost"; transport_id: string }
  | { type: "link_up" | "link_down"; transport_id: string; link: LinkWord; reason?: string }
  | { type: "message"; channel: string; channel_name: string; message: HistoryEntry }
  | { type: "message_state"; id: string; channel: string; state: MessageState }
  | { type: "channel_joined"; id: string; name: string }
  | { type: "channel_left"; id: string }
  | { type: "synced"; transport_id: string }
  | { type: "warning"; kind: string; message: string }
  | { type: "missed"; count: number }
  | { type: "listen_changed" | "started" }
  | { type: "stopping" }
);
