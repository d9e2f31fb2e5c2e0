// Where peers stand in the picture. The same peer always stands in the same direction, so that nothing jumps.

import type { PeerInfo } from "../api";

/** Peers that are drawn; more would be a blot. The list has all. */
export const MAX_DRAWN = 240;

export interface Place {
  peer: PeerInfo;
  /** From the middle, in fractions of the picture's half: -1 to 1. */
  x: number;
  y: number;
}

/** A number from 0 to 1 that depends on the id alone (FNV-1a). */
export function spin(id: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < id.length; at++) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193);
  return (hash >>> 0) / 2 ** 32;
}

/**
 * Linked peers stand on an inner ring, those only seen on an outer one. On each ring they keep the order of
 * their directions and are spread evenly, the first at its own direction.
 */
export function layout(peers: PeerInfo[]): Place[] {
  const drawn = peers.slice(0, MAX_DRAWN);
  const inner = drawn.filter((peer) => peer.state === "connected" || peer.state === "connecting");
  const outer = drawn.filter((peer) => peer.state === "seen");
  return [...ring(inner, 0.56), ...ring(outer, 0.9)];
}

function ring(peers: PeerInfo[], radius: number): Place[] {
  const turned = peers.map((peer) => ({ peer, turn: spin(peer.transport_id) })).sort((a, b) => a.turn - b.turn);
  const first = turned[0]?.turn ?? 0;
  return turned.map(({ peer }, at) => {
    const angle = 2 * Math.PI * (first + at / turned.length);
    // Many stand in three rows.
    const row = turned.length > 40 ? radius * (0.82 + 0.09 * (at % 3)) : radius;
    return { peer, x: row * Math.cos(angle), y: row * Math.sin(angle) };
  });
}
