import { useState } from "preact/hooks";
import { VirtualList } from "../list";
import { peers } from "../state";
import { count, duration, line, milliseconds } from "../text";
import { LINKS, peerName, signal, STATES } from "../words";
import type { PeerInfo } from "../api";

export function People() {
  const [filter, setFilter] = useState("");
  const wanted = filter.trim().toLowerCase();
  const all = peers.value;
  const shown = wanted
    ? all.filter(
        (peer) => peer.transport_id.toLowerCase().includes(wanted) || (peer.name ?? "").toLowerCase().includes(wanted),
      )
    : all;
  return (
    <section class="card tall" aria-labelledby="people">
      <div class="head">
        <h1 id="people">People and devices</h1>
        <span class="dim" role="status">
          {wanted ? `${shown.length.toLocaleString("en")} of ${count(all.length, "device", "devices")}` : count(all.length, "device", "devices")}
        </span>
        <label class="search">
          <span class="unseen">Search by name or key</span>
          <input type="search" placeholder="Search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
        </label>
      </div>
      <p class="dim">Devices show their keys; who is behind one is known once you are in contact.</p>
      {shown.length === 0 ? (
        <p class="empty">{wanted ? "Nobody fits." : "Nobody is in reach yet."}</p>
      ) : (
        <VirtualList label="Devices, nearest first" items={shown} height={60} keyOf={(peer) => peer.transport_id} row={Row} />
      )}
    </section>
  );
}

function Row(peer: PeerInfo) {
  const facts = [LINKS[peer.link]];
  if (peer.rtt_ms !== undefined) facts.push(milliseconds(peer.rtt_ms));
  if (peer.state !== "connected" && peer.age_s > 0) facts.push(`heard ${duration(peer.age_s)} ago`);
  return (
    <div class={`peer ${peer.state}`}>
      <span class={`lamp ${peer.link}`} aria-hidden="true" />
      <bdi class="name" title={peer.transport_id}>
        {line(peerName(peer), 40)}
      </bdi>
      <span class="facts">{facts.join(" · ")}</span>
      {peer.rssi_dbm !== undefined && (
        <span class="signal" data-bars={signal(peer.rssi_dbm)}>
          {peer.rssi_dbm} dBm
        </span>
      )}
      <span class="state">{STATES[peer.state]}</span>
    </div>
  );
}
