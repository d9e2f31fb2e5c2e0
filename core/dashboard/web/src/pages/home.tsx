import { useState } from "preact/hooks";
import type { DoctorCheck } from "../api";
import { Graph } from "../graph/graph";
import { attempt, doctor, examine, page, peers, status } from "../state";
import { bytes, clock, count, line } from "../text";
import { CHECKS, LAYERS, layerState, standing } from "../words";

export function Home() {
  const now = status.value;
  if (!now) return <p class="dim">Asking the node…</p>;
  const { tone, title, words } = standing(now, peers.value);
  return (
    <>
      <section class={`card standing ${tone}`} aria-live="polite">
        <span class="lamp" aria-hidden="true" />
        <div>
          <h1>{title}</h1>
          <p>{line(words, 300)}</p>
        </div>
      </section>
      <div class="columns">
        <section class="card map" aria-labelledby="around">
          <h2 id="around">Around you</h2>
          <Graph />
        </section>
        <div class="stack">
          <Layers />
          <Why lonely={tone !== "good"} />
          <section class="card" aria-labelledby="kept">
            <h2 id="kept">Kept on this device</h2>
            <dl class="facts">
              <dt>Messages you can read</dt>
              <dd>{now.store.messages.toLocaleString("en")}</dd>
              <dt>Carried for others, unread</dt>
              <dd>
                {count(now.store.carried_bundles, "message", "messages")}, {bytes(now.store.carried_bytes)}
              </dd>
              <dt>On disk</dt>
              <dd>{bytes(now.store.bytes)}</dd>
            </dl>
          </section>
        </div>
      </div>
    </>
  );
}

function Layers() {
  const now = status.value;
  if (!now) return null;
  const known = Object.keys(LAYERS).filter((id) => now.layers[id]);
  const others = Object.keys(now.layers).filter((id) => !LAYERS[id]);
  return (
    <section class="card" aria-labelledby="layers">
      <h2 id="layers">Ways to others</h2>
      <ul class="layers">
        {[...known, ...others].map((id) => {
          const layer = now.layers[id];
          if (!layer) return null;
          const words = LAYERS[id] ?? { name: line(id), what: "" };
          return (
            <li key={id} class={layer.state}>
              <span class="lamp" aria-hidden="true" />
              <span class="name">{words.name}</span>
              <span class="state">{layerState(layer)}</span>
              <span class="more">{layer.reason && layer.state !== "on" ? line(layer.reason, 200) : words.what}</span>
              {layer.today && (
                <span class="cost">
                  {bytes(layer.today.received)} in, {bytes(layer.today.sent)} out since {clock(layer.today.since)}
                </span>
              )}
            </li>
          );
        })}
      </ul>
    </section>
  );
}

const MARKS: Record<DoctorCheck["result"], string> = { ok: "fine", warning: "worth a look", problem: "problem" };

function Why({ lonely }: { lonely: boolean }) {
  const [busy, setBusy] = useState(false);
  const found = doctor.value;
  const look = async () => {
    setBusy(true);
    await attempt(examine);
    setBusy(false);
  };
  return (
    <section class="card" aria-labelledby="why">
      <h2 id="why">{lonely ? "Why do I see nobody?" : "Is everything well?"}</h2>
      <p class="dim">Looks at the network, Bluetooth, the store and the clock, and says what to do.</p>
      <button type="button" onClick={look} disabled={busy} class={lonely && !found ? "primary" : ""}>
        {found ? "Look again" : "Find out"}
      </button>
      <ul class="checks" aria-live="polite">
        {found?.map((check) => (
          <li key={check.check} class={check.result}>
            <span class="name">{CHECKS[check.check] ?? line(check.check)}</span>
            <span class="state">{MARKS[check.result]}</span>
            <span class="more">{line(check.message, 300)}</span>
            {check.hint && check.result !== "ok" && <span class="hint">{line(check.hint, 300)}</span>}
          </li>
        ))}
      </ul>
      {found && lonely && (
        <button type="button" class="quiet" onClick={() => (page.value = "people")}>
          Show who was seen
        </button>
      )}
    </section>
  );
}
