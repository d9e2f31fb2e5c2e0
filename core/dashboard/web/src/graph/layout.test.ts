import { expect, test } from "vitest";
import type { PeerInfo } from "../api";
import { layout, MAX_DRAWN, spin } from "./layout";

const peer = (id: number, state: PeerInfo["state"] = "connected"): PeerInfo => ({
  transport_id: `peer ${id}`,
  contact: false,
  link: "lan",
  state,
  rank: id,
  age_s: 0,
});

test("everybody stands inside the picture, linked ones nearer", () => {
  const places = layout([...Array(30).keys()].map((id) => peer(id, id % 2 ? "seen" : "connected")));
  expect(places).toHaveLength(30);
  for (const { peer, x, y } of places) {
    const far = Math.hypot(x, y);
    expect(far).toBeLessThanOrEqual(0.91);
    expect(far > 0.7).toBe(peer.state === "seen");
  }
});

test("the picture is bounded, and a lone peer stands still", () => {
  expect(layout([...Array(10_000).keys()].map((id) => peer(id)))).toHaveLength(MAX_DRAWN);
  const alone = layout([peer(1)])[0];
  expect(alone).toEqual(layout([peer(1)])[0]);
  expect(spin("a")).not.toBe(spin("b"));
});
