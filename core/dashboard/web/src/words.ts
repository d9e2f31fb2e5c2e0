// What states are called, for people who are not developers.

import type { LayerStatus, LinkWord, MessageState, PeerInfo, PeerState, Status } from "./api";
import { count, short } from "./text";

export const LINKS: Record<LinkWord, string> = {
  lan: "local network",
  ble: "Bluetooth",
  direct: "Internet, direct",
  relay: "Internet, relayed",
};

export const STATES: Record<PeerState, string> = {
  connected: "linked",
  connecting: "connecting…",
  seen: "seen, not linked",
  lost: "gone",
};

export const MARKS: Record<MessageState, { mark: string; words: string }> = {
  received: { mark: "", words: "" },
  stored: { mark: "·", words: "kept here until somebody is near" },
  sent: { mark: "✓", words: "handed on" },
  delivered: { mark: "✓✓", words: "a member's device has it" },
  read: { mark: "✓✓", words: "read" },
};

export const LAYERS: Record<string, { name: string; what: string }> = {
  ip: { name: "Network links", what: "Wi-Fi or cable; talks to the peers that were found" },
  mdns: { name: "Finding on this network", what: "announces and looks around by multicast" },
  ble: { name: "Bluetooth", what: "finds and links devices within some ten metres" },
  dht: { name: "Internet", what: "finds people far away" },
};

export const CHECKS: Record<string, string> = {
  interfaces: "Network",
  mdns: "Finding on this network",
  ble: "Bluetooth",
  listening: "Being reachable",
  peers: "People",
  store: "Storage",
  clock: "Clock",
};

export function layerState(layer: LayerStatus): string {
  return { on: "on", off: "off", failed: "not working", unavailable: "not available" }[layer.state] ?? layer.state;
}

export interface Standing {
  tone: "good" | "wait" | "bad";
  title: string;
  words: string;
}

/** The one honest status (APP-8): what is so, and why. */
export function standing(status: Status, people: PeerInfo[]): Standing {
  const of = (state: PeerState) => people.filter((peer) => peer.state === state).length;
  const linked = of("connected");
  if (status.store.read_only) {
    return {
      tone: "bad",
      title: "The store is damaged",
      words: "You can read, but nothing new is kept. Export what you need and restore a backup.",
    };
  }
  if (linked > 0) {
    const far = (peer: PeerInfo) => peer.state === "connected" && (peer.link === "direct" || peer.link === "relay");
    const anyFar = people.some(far);
    return {
      tone: "good",
      title: `Linked with ${count(linked, "peer", "peers")}${anyFar ? "" : " nearby"}`,
      words: anyFar
        ? "Messages go from device to device, over the Internet where that is needed."
        : "Messages go from device to device. The Internet is not needed.",
    };
  }
  const radio = status.layers["ble"]?.state === "on";
  if (status.network === "offline" && !radio) {
    const why = status.layers["ble"]?.reason;
    return {
      tone: "bad",
      title: "There is nothing to reach anybody with",
      words: `No network is up, and Bluetooth is ${status.layers["ble"] ? layerState(status.layers["ble"]) : "off"}${why ? `: ${why}` : ""}.`,
    };
  }
  const seen = of("seen") + of("connecting");
  if (seen > 0) {
    return {
      tone: "wait",
      title: "Waiting for a link",
      words: `${count(seen, "device is", "devices are")} in sight, none is linked yet.`,
    };
  }
  return {
    tone: "wait",
    title: "Looking for people",
    words: "Nobody is in reach. What you write is kept, and goes out as soon as somebody comes near.",
  };
}

/** What a peer is called: its name if it has shown one, otherwise the end of its key. */
export function peerName(peer: PeerInfo): string {
  return peer.name ?? short(peer.transport_id);
}

/** How strong a signal is, in four steps. */
export function signal(dbm: number): number {
  if (dbm >= -60) return 4;
  if (dbm >= -72) return 3;
  return dbm >= -84 ? 2 : 1;
}
