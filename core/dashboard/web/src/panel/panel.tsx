import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { PanelInfo } from "../api";
import { ask, channels, explain, panel, togglePanel } from "../state";
import { bytes, clock, duration, line, milliseconds, short } from "../text";
import { LINKS } from "../words";

const TABS = ["Peers", "Gossipsub"] as const;
type Tab = (typeof TABS)[number];
/** An arrow key moves the panel so far, in pixels. */
const STEP = 24;

/** The developer panel (APP-5). While it is not on the page, the node sends nothing for it. */
export function Panel() {
  const [tab, setTab] = useState<Tab>("Peers");
  const [said, setSaid] = useState("");
  const [at, setAt] = useState({ x: 0, y: 0 });
  const box = useRef<HTMLElement>(null);
  const before = useRef(document.activeElement);
  useEffect(() => {
    box.current?.focus();
    return () => {
      if (before.current instanceof HTMLElement) before.current.focus();
    };
  }, []);
  const move = (x: number, y: number) => {
    const element = box.current;
    if (!element) return;
    // Some of its head stays in view.
    const limit = (value: number, most: number) => Math.max(-most, Math.min(0, value));
    setAt({ x: limit(x, innerWidth - 80), y: limit(y, innerHeight - 48) });
  };
  const drag = (event: PointerEvent) => {
    if (event.button !== 0 || (event.target as HTMLElement).closest("button")) return;
    const head = event.currentTarget as HTMLElement;
    const from = { x: event.clientX - at.x, y: event.clientY - at.y };
    head.setPointerCapture(event.pointerId);
    head.onpointermove = (next) => move(next.clientX - from.x, next.clientY - from.y);
    head.onpointerup = () => (head.onpointermove = null);
  };
  const keys = (event: KeyboardEvent) => {
    if (event.key === "Escape") togglePanel(false);
    const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    if ((x || y) && event.target === box.current) {
      event.preventDefault();
      move(at.x + (x as number) * STEP, at.y + (y as number) * STEP);
    }
  };
  const turn = (event: KeyboardEvent) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    const next = tab === "Peers" ? "Gossipsub" : "Peers";
    setTab(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  const info = panel.value;
  return (
    <section
      class="panel"
      ref={box}
      role="dialog"
      aria-label="Developer panel. Arrow keys move it, Escape closes it."
      tabIndex={-1}
      style={{ transform: `translate(${at.x}px, ${at.y}px)` }}
      onKeyDown={keys}
    >
      <div class="grip" onPointerDown={drag}>
        <span class="title">Developer panel</span>
        <div role="tablist" aria-label="Views" onKeyDown={turn}>
          {TABS.map((name) => (
            <button
              key={name}
              id={`tab-${name}`}
              type="button"
              role="tab"
              aria-selected={tab === name}
              aria-controls="view"
              tabIndex={tab === name ? 0 : -1}
              onClick={() => setTab(name)}
            >
              {name}
            </button>
          ))}
        </div>
        <button type="button" class="quiet" onClick={() => togglePanel(false)} aria-label="Close the panel">
          ✕
        </button>
      </div>
      <div id="view" role="tabpanel" aria-labelledby={`tab-${tab}`} tabIndex={0} class="view">
        {!info ? <p class="dim">Reading…</p> : tab === "Peers" ? <Peers info={info} say={setSaid} /> : <Gossip info={info} say={setSaid} />}
      </div>
      <p class="said" role="status">
        {line(said || "Read every second while this panel is open.", 200)}
      </p>
    </section>
  );
}

type Say = (words: string) => void;

async function tell(say: Say, action: () => Promise<string>): Promise<void> {
  try {
    say(await action());
  } catch (error) {
    say(explain(error));
  }
}

function Peers({ info, say }: { info: PanelInfo; say: Say }) {
  const ping = (peer: string) =>
    tell(say, async () => {
      say(`Asking ${short(peer)}…`);
      const { value } = await ask({ command: "ping", peer }, "pong");
      return `${short(peer)} answered in ${milliseconds(value.rtt_ms)}.`;
    });
  const reconnect = (peer: string) =>
    tell(say, async () => {
      const { value } = await ask({ command: "reconnect", peer }, "reconnecting");
      return `${value.closed} links to ${short(peer)} closed; ${value.dialing ? "dialling again" : "waiting for the peer to dial"}.`;
    });
  if (info.peers.length === 0) return <p class="dim">Nobody is linked. {info.known} known.</p>;
  return (
    <table>
      <thead>
        <Row head cells={["Peer", "Medium", "RSSI", "Latency", "NAT", "Bytes in / out", "Up", "Actions"]} />
      </thead>
      <tbody>
        {info.peers.map((peer) => {
          const sum = (of: "received" | "sent") => peer.links.reduce((all, link) => all + link[of], 0);
          const kind = peer.link === "relay" ? "relayed" : "direct";
          return (
            <Row
              key={peer.transport_id}
              cells={[
                <span class="mono" title={peer.links.map((link) => `${link.side} ${link.address ?? ""}`).join("\n")}>
                  …{short(peer.transport_id)}
                </span>,
                `${LINKS[peer.link]}${peer.link === "lan" || peer.link === "ble" ? `, ${kind}` : ""}`,
                peer.rssi_dbm === undefined ? "–" : `${peer.rssi_dbm} dBm`,
                peer.rtt_ms === undefined ? "–" : milliseconds(peer.rtt_ms),
                peer.nat ?? "not known",
                `${bytes(sum("received"))} / ${bytes(sum("sent"))}`,
                peer.links[0] ? duration(Math.max(...peer.links.map((link) => link.up_s))) : peer.state,
                <>
                  <button type="button" onClick={() => void ping(peer.transport_id)} aria-label={`Ping ${short(peer.transport_id)}`}>
                    Ping
                  </button>
                  <button type="button" onClick={() => void reconnect(peer.transport_id)} aria-label={`Reconnect ${short(peer.transport_id)}`}>
                    Reconnect
                  </button>
                </>,
              ]}
            />
          );
        })}
      </tbody>
    </table>
  );
}

function Gossip({ info, say }: { info: PanelInfo; say: Say }) {
  const test = (channel: string) =>
    tell(say, async () => {
      const text = `Test message, ${new Date().toISOString()}`;
      const { value } = await ask({ command: "send", channel, text }, "sent");
      return `Test message ${value.id.slice(0, 8)} is stored; its state is in the channel.`;
    });
  if (!info.gossip) {
    return (
      <>
        <p class="dim">Gossip is switched off: messages go over links alone.</p>
        {channels.value.map((channel) => (
          <button key={channel.id} type="button" onClick={() => void test(channel.id)}>
            Test message to {line(channel.name, 32)}
          </button>
        ))}
      </>
    );
  }
  return (
    <table>
      <thead>
        <Row head cells={["Channel", "Topic", "By gossip", "Published", "All received", "Last received", "Delivery", "Actions"]} />
      </thead>
      <tbody>
        {info.topics.map((topic) => (
          <Row
            key={topic.channel}
            cells={[
              <bdi>{line(topic.name, 32)}</bdi>,
              <span class="mono" title={topic.topic}>
                {topic.topic.slice(0, 8)}…
              </span>,
              topic.by_gossip,
              topic.published,
              topic.messages,
              topic.last_received ? clock(topic.last_received) : "–",
              topic.delivery_ms === undefined ? "–" : `${milliseconds(topic.delivery_ms)} (${topic.delivered})`,
              <button type="button" onClick={() => void test(topic.channel)} aria-label={`Send a test message to ${line(topic.name, 32)}`}>
                Test message
              </button>,
            ]}
          />
        ))}
      </tbody>
    </table>
  );
}

function Row({ cells, head = false }: { cells: ComponentChildren[]; head?: boolean }) {
  return (
    <tr>
      {cells.map((cell, at) =>
        head ? (
          <th key={at} scope="col">
            {cell}
          </th>
        ) : (
          <td key={at}>{cell}</td>
        ),
      )}
    </tr>
  );
}
