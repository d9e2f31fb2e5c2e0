import { expect, test } from "vitest";
import type { PeerInfo, PeerState, Status } from "./api";
import { signal, standing } from "./words";

const status = (network: Status["network"], ble: "on" | "unavailable", read_only = false) =>
  ({ network, layers: { ble: { state: ble, reason: "no adapter" } }, store: { read_only } }) as unknown as Status;
const people = (...states: PeerState[]) => states.map((state) => ({ state, link: "lan" }) as PeerInfo);

// APP-8: one honest status, with the reason.
test("the status says what is so", () => {
  const title = (now: Status, ...states: PeerState[]) => standing(now, people(...states)).title;
  expect(title(status("local", "on"), "connected", "seen")).toBe("Linked with 1 peer nearby");
  expect(title(status("searching", "on"), "seen", "connecting")).toBe("Waiting for a link");
  expect(title(status("searching", "unavailable"))).toBe("Looking for people");
  expect(title(status("offline", "on"))).toBe("Looking for people");
  expect(title(status("local", "on", true), "connected")).toBe("The store is damaged");
  const nothing = standing(status("offline", "unavailable"), []);
  expect(nothing.tone).toBe("bad");
  expect(nothing.words).toContain("no adapter");
});

test("signals have four steps", () => {
  expect([-50, -60, -61, -72, -73, -84, -85, -100].map(signal)).toEqual([4, 4, 3, 3, 2, 2, 1, 1]);
});
