import { beforeEach, expect, test, vi } from "vitest";
import type { Event, HistoryEntry, PeerInfo } from "./api";

vi.stubGlobal("document", { hidden: false });
const { apply, channels, conversation, insert, MAX_KEPT, open, peers } = await import("./state");

const message = (id: string, lamport: number, own = false): HistoryEntry => ({
  id,
  author: "a",
  text: id,
  sent_at: "",
  lamport,
  state: own ? "stored" : "received",
  own,
});
const peer = (id: string, state: PeerInfo["state"], rank: number): PeerInfo => ({
  transport_id: id,
  contact: false,
  link: "lan",
  state,
  rank,
  age_s: 0,
});
const said = (event: object) => ({ at: "", ...event }) as Event;

beforeEach(() => {
  channels.value = [{ id: "c", name: "#c", kind: "public", unread: 0 }];
  open.value = undefined;
  conversation.value = undefined;
});

test("messages stand in the node's order, once, and no more than a page bears", () => {
  const two = insert([message("b", 2)], message("a", 1));
  expect(two.map(({ id }) => id)).toEqual(["a", "b"]);
  expect(insert(two, message("aa", 1)).map(({ id }) => id)).toEqual(["a", "aa", "b"]);
  const many = Array.from({ length: MAX_KEPT }, (_, at) => message(String(at), at));
  const more = insert(many, message("new", MAX_KEPT));
  expect(more).toHaveLength(MAX_KEPT);
  expect(more.at(-1)?.id).toBe("new");

  open.value = "c";
  conversation.value = { entries: [], more: false };
  apply([1, 2].map(() => said({ type: "message", channel: "c", channel_name: "#c", message: message("x", 1, true) })));
  apply([said({ type: "message_state", id: "x", channel: "c", state: "delivered" })]);
  expect(conversation.value?.entries.map(({ state }) => state)).toEqual(["delivered"]);
});

test("what others write elsewhere is unread; what one writes oneself is not", () => {
  const event = (own: boolean) =>
    said({ type: "message", channel: "c", channel_name: "#c", message: message("x", 1, own) });
  apply([event(false), event(false), event(true)]);
  expect(channels.value[0]?.unread).toBe(2);
});

test("the linked come first, and the lost are gone", () => {
  const update = (one: PeerInfo) => said({ type: "peer_updated", peer: one });
  apply([update(peer("s", "seen", 1)), update(peer("l", "connected", 5)), update(peer("g", "seen", 2))]);
  apply([said({ type: "peer_lost", transport_id: "g" })]);
  expect(peers.value.map(({ transport_id }) => transport_id)).toEqual(["l", "s"]);
});
