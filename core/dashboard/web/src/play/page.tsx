import { useEffect, useState } from "preact/hooks";
import { Notices } from "../app";
import { setTheme, theme, type Theme } from "../theme";
import { count, line } from "../text";
import { PeopleMap } from "./map";
import { about, beat, begin, end, failed, figures, head, pause, play, playing, seek, speed, SPEEDS, spread, turned, waiting, world } from "./player";
import { PlotCard } from "./plots";
import { Side } from "./side";
import { far, virtual } from "./world";

/** The live summary is said anew so often while the run is played, in milliseconds. */
const SAY = 5000;

/** A recorded run, played. */
export function Player() {
  const [problem, setProblem] = useState("");
  useEffect(() => {
    begin().catch((error: { message?: string }) => setProblem(error.message ?? String(error)));
    const keys = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.code !== "Space" || event.ctrlKey || target.closest("button, input, select, [tabindex='0']")) return;
      event.preventDefault();
      if (playing.value) pause();
      else play();
    };
    document.addEventListener("keydown", keys);
    return () => document.removeEventListener("keydown", keys);
  }, []);
  const known = about.value;
  return (
    <div class="player">
      <a class="skip" href="#main">
        Skip to content
      </a>
      <Top />
      <main id="main" tabIndex={-1}>
        <Notices />
        {(problem || failed.value) && (
          <p class="notice strong" role="alert">
            {line(problem || failed.value, 300)}
          </p>
        )}
        {!known && !problem && <p class="dim">Opening the recording…</p>}
        {known && (
          <>
            <h1 class="unseen">{line(known.title)}</h1>
            <section class="card screen" aria-label="The run">
              <Now />
              <PeopleMap />
              <Transport />
            </section>
            <Side />
            <section class="plots" aria-label="Plots">
              {figures.value?.plots.map((plot) => (
                <PlotCard key={plot.title} plot={plot} now={beat.value} end={end()} />
              ))}
            </section>
          </>
        )}
      </main>
    </div>
  );
}

function Top() {
  const known = about.value;
  const met = figures.value?.met;
  const [kept, setKept] = useState<Theme>(theme());
  const early = known && known.end_ms < known.duration_ms;
  return (
    <header class="top">
      <img src="/icon.svg" alt="" width="28" height="28" />
      <span class="brand">{known ? line(known.title) : "Sovereign"}</span>
      <span class="who">{known && `${count(known.people, "person", "people")}, ${known.made}${early ? ", interrupted" : ""}`}</span>
      {met !== undefined && met !== null && <span class={met ? "verdict met" : "verdict missed"}>{met ? "demands met" : early ? "not complete" : "demands missed"}</span>}
      <label class="theme">
        <span class="unseen">Colours</span>
        <select
          value={kept}
          onChange={(event) => {
            const chosen = event.currentTarget.value as Theme;
            setTheme(chosen);
            setKept(chosen);
          }}
        >
          <option value="system">System</option>
          <option value="light">Light</option>
          <option value="dark">Dark</option>
        </select>
      </label>
    </header>
  );
}

/** What is so at the playhead, in words. */
function Now() {
  const [said, setSaid] = useState("");
  const known = about.value;
  const now = beat.value;
  turned.value;
  const { on, here, links } = world.totals;
  const sum = links[0] + links[1] + links[2];
  const written = world.totals.said;
  const shown = spread.value;
  const reach = shown && far(shown, now);
  const words = `${virtual(now)} of ${virtual(end())}. ${count(on, "phone is", "phones are")} on, ${count(sum, "link", "links")}, ${count(written, "message", "messages")} written.${
    shown && reach ? ` Message ${shown.written.message + 1}: ${reach.readers} of ${shown.members} have read it.` : ""
  }`;
  const moving = playing.value;
  useEffect(() => {
    // Not with every figure that moves, or a screen reader would never end.
    if (!moving) return setSaid(words);
    const timer = setInterval(() => setSaid(summary), SAY);
    return () => clearInterval(timer);
  }, [moving, moving ? "" : words]);
  summary = words;
  return (
    <>
      {known?.shows && <p class="shows">{line(known.shows, 300)}</p>}
      <dl class="now">
        <div>
          <dt>phones on</dt>
          <dd>
            {on.toLocaleString("en")}
            <small> of {here.toLocaleString("en")}</small>
          </dd>
        </div>
        <div>
          <dt>links</dt>
          <dd>{sum.toLocaleString("en")}</dd>
        </div>
        <div>
          <dt>messages</dt>
          <dd>
            {written.toLocaleString("en")}
            <small> of {(known?.messages ?? 0).toLocaleString("en")}</small>
          </dd>
        </div>
        {shown && reach && (
          <div class="carry">
            <dt>read message {shown.written.message + 1}</dt>
            <dd>
              {reach.readers.toLocaleString("en")}
              <small> of {shown.members.toLocaleString("en")}</small>
            </dd>
          </div>
        )}
      </dl>
      <p class="unseen" role="status">
        {said}
      </p>
    </>
  );
}

let summary = "";

function Transport() {
  const now = beat.value;
  const last = end();
  const moving = playing.value;
  // The pointer goes anywhere; an arrow key a hundredth of the run, in whole seconds.
  const step = Math.max(1000, Math.round(last / 100 / 1000) * 1000);
  const keys = (event: KeyboardEvent) => {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (!steps) return;
    event.preventDefault();
    seek(head() + steps * step);
  };
  return (
    <div class="transport">
      <button type="button" class="round" aria-label="To the beginning" onClick={() => seek(0)}>
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <path d="M6 5v14M19 5 9 12l10 7z" />
        </svg>
      </button>
      <button type="button" class="round primary" aria-label={moving ? "Pause" : "Play"} onClick={moving ? pause : play}>
        <svg viewBox="0 0 24 24" aria-hidden="true">
          {moving ? <path d="M8 5v14M16 5v14" /> : <path d="M8 5l11 7-11 7z" class="full" />}
        </svg>
      </button>
      <span class="time">
        <span class="mono">{virtual(now)}</span>
        <span class="dim"> / {virtual(last)}</span>
      </span>
      <input
        type="range"
        aria-label="Time"
        aria-valuetext={`${virtual(now)} of ${virtual(last)}`}
        min={0}
        max={last}
        step={1}
        value={Math.min(last, Math.round(now))}
        onKeyDown={keys}
        onInput={(event) => {
          const to = Number(event.currentTarget.value);
          if (Math.abs(to - head()) >= 1) seek(to);
        }}
      />
      <span class="wait" role="presentation">
        {waiting.value && moving ? "loading…" : ""}
      </span>
      <label class="speed">
        <span class="dim" aria-hidden="true">
          Speed
        </span>
        <select aria-label="Speed" value={String(speed.value)} onChange={(event) => (speed.value = Number(event.currentTarget.value))}>
          {SPEEDS.map((one) => (
            <option key={one} value={String(one)}>
              {one}×
            </option>
          ))}
        </select>
      </label>
    </div>
  );
}
