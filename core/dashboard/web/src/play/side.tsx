import { useState } from "preact/hooks";
import { VirtualList } from "../list";
import { bytes, count, line } from "../text";
import { MEDIA } from "./painter";
import { about, beat, chooseMessage, choosePerson, chosen, end, figures, messages, person, seek, spread, turned, world } from "./player";
import { PlotCard } from "./plots";
import type { Plot, Spread, Written } from "./types";
import { far, nameOf, PHONES, place, took, virtual, way } from "./world";

const TABS = ["People", "Messages", "Report"] as const;
export type Tab = (typeof TABS)[number];

/** Everything about the run in words: people, messages, figures. */
export function Side() {
  const [tab, setTab] = useState<Tab>("People");
  const turn = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length] as Tab;
    setTab(next);
    document.getElementById(`side-${next}`)?.focus();
  };
  return (
    <section class="card side" aria-label="People, messages and report">
      <div role="tablist" aria-label="What to look at" onKeyDown={turn}>
        {TABS.map((name) => (
          <button
            key={name}
            id={`side-${name}`}
            type="button"
            role="tab"
            aria-selected={tab === name}
            aria-controls="side"
            tabIndex={tab === name ? 0 : -1}
            onClick={() => setTab(name)}
          >
            {name}
          </button>
        ))}
      </div>
      <div id="side" role="tabpanel" aria-labelledby={`side-${tab}`} class="body">
        {tab === "People" && <People />}
        {tab === "Messages" && <Messages />}
        {tab === "Report" && <Report />}
      </div>
    </section>
  );
}

export function called(who: number): string {
  return line(nameOf(about.value?.groups ?? [], who), 40);
}

function People() {
  const [filter, setFilter] = useState("");
  const known = about.value;
  if (!known) return null;
  beat.value;
  turned.value;
  const wanted = filter.trim().toLowerCase();
  const all = Array.from({ length: known.people }, (_, who) => who);
  const shown = wanted ? all.filter((who) => nameOf(known.groups, who).toLowerCase().includes(wanted)) : all;
  return (
    <>
      {person.value && <PersonCard />}
      <label class="search">
        <span class="unseen">Search people</span>
        <input type="search" placeholder={`Search ${count(known.people, "person", "people")}`} value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
      </label>
      {shown.length === 0 ? (
        <p class="empty">Nobody is called so.</p>
      ) : (
        <VirtualList label="People" items={shown} height={44} keyOf={String} row={PersonRow} />
      )}
    </>
  );
}

function PersonRow(who: number) {
  const dot = world.dots.get(who);
  const phone = dot?.[7];
  const row = spread.value?.reached.find((reached) => reached[0] === who);
  const now = beat.value;
  const has = row && row[1] <= now ? (row[4] !== null && row[4] <= now ? "has read it" : "carries it") : undefined;
  const wrote = spread.value?.written.author === who && now >= (spread.value?.written.said_ms ?? 0);
  return (
    <button type="button" class="pick" aria-pressed={person.value?.who === who} onClick={() => void choosePerson(person.value?.who === who ? undefined : who)}>
      <span class={`lamp ${wrote || has === "has read it" ? "has" : has ? "carries" : (phone ?? "away")}`} aria-hidden="true" />
      <span class="name">{called(who)}</span>
      <span class="state">{[phone ? PHONES[phone] : (about.value?.drawn_every ?? 1) > 1 ? "not drawn" : PHONES.away, wrote ? "wrote it" : has].filter(Boolean).join(", ")}</span>
    </button>
  );
}

/** The world of one person at the playhead. */
function PersonCard() {
  const seen = person.value;
  if (!seen) return null;
  const now = beat.value;
  turned.value;
  const { who } = seen;
  const dot = world.dots.get(who);
  const links = world.linksOf(who);
  const had = seen.messages.filter(([, at]) => at <= now);
  const own = had.filter(([, , from]) => from === who).length;
  const read = had.filter(([, , , at]) => at !== null && at <= now).length;
  const joules = seen.joules.filter(([at]) => at <= now).at(-1)?.[1] ?? 0;
  const at = dot && place(dot, now);
  const shown = spread.value;
  return (
    <div class="world" role="group" aria-label={`The world of ${called(who)}`}>
      <div class="head">
        <h2>{called(who)}</h2>
        <button type="button" class="quiet" onClick={() => void choosePerson(undefined)}>
          Close
        </button>
      </div>
      <dl class="facts">
        <dt>Phone</dt>
        <dd>{dot ? PHONES[dot[7]] + (dot[8] ? ", has the Internet" : "") : PHONES.away}</dd>
        <dt>Place</dt>
        <dd>{dot && at ? `${(at.x / 10).toFixed(1)} m east, ${(at.y / 10).toFixed(1)} m north${now < dot[6] ? ", walking" : ""}` : "unknown"}</dd>
        <dt>Linked with</dt>
        <dd>
          {links.length === 0
            ? "nobody"
            : links
                .slice(0, 12)
                .map(([one, other, medium, dbm]) => `${called(one === who ? other : one)} (${dbm === null ? MEDIA[medium].name : `${dbm} dBm`})`)
                .join(", ") + (links.length > 12 ? ` and ${links.length - 12} more` : "")}
        </dd>
        <dt>Messages</dt>
        <dd>{`${own} written, ${read} read, ${had.length} held${seen.had > seen.messages.length ? " at least" : ""}`}</dd>
        <dt>Radio’s energy</dt>
        <dd>{joules < 10 ? joules.toFixed(2) : joules.toFixed(0)} J</dd>
        {shown && (
          <>
            <dt>Message {shown.written.message + 1}</dt>
            <dd>{told(shown, who, now)}</dd>
          </>
        )}
      </dl>
    </div>
  );
}

/** How a message came to somebody. */
function told(shown: Spread, who: number, now: number): string {
  if (who === shown.written.author) return now >= shown.written.said_ms ? "wrote it" : "will write it";
  const row = shown.reached.find((reached) => reached[0] === who);
  if (!row || row[1] > now) return "does not have it yet";
  const since = `after ${took(row[1] - shown.written.said_ms)}`;
  const { people, whole } = way(shown, who, now);
  if (people.length < 2) return `${since}, from one of ${row[3]} it was linked with`;
  return `${since}, by way of ${whole ? "" : "… → "}${people.map(called).join(" → ")}`;
}

function Messages() {
  const now = beat.value;
  const all = messages.value;
  const known = about.value;
  if (!known) return null;
  return (
    <>
      {chosen.value !== undefined && <MessageCard />}
      <p class="dim">{all.length === 0 ? "Nobody wrote anything." : `${count(known.messages, "message", "messages")}. Choose one to watch it spread.`}</p>
      {all.length > 0 && <VirtualList label="Messages" items={all} height={56} keyOf={(it) => String(it.message)} row={(it) => MessageRow(it, now)} />}
      {known.messages > all.length && all.length > 0 && <p class="dim">The first {all.length.toLocaleString("en")} are listed.</p>}
    </>
  );
}

function MessageRow(written: Written, now: number) {
  const channel = about.value?.channels[written.channel]?.[0] ?? "";
  const past = written.said_ms <= now;
  const pressed = chosen.value === written.message;
  return (
    <button
      type="button"
      class={past ? "pick message" : "pick message later"}
      aria-pressed={pressed}
      onClick={() => {
        void chooseMessage(pressed ? undefined : written.message);
        if (!pressed && !past) seek(written.said_ms);
      }}
    >
      <span class="name">
        {written.message + 1} · {called(written.author)}
      </span>
      <span class="state">{virtual(written.said_ms)}</span>
      <span class="more">
        {line(channel, 30)} · {bytes(written.bytes)} · read by {written.delivered.toLocaleString("en")} in the end
      </span>
    </button>
  );
}

/** One message on its way. */
function MessageCard() {
  const shown = spread.value;
  if (!shown) return <p class="dim">Following it…</p>;
  const now = beat.value;
  const { written, members, within_ms: within, curve } = shown;
  const { said, holders, readers } = far(shown, now);
  const from = written.said_ms;
  const last = curve[curve.length - 1]?.[0] ?? from;
  const until = Math.min(end(), from + Math.max(1000, (last - from) * 1.1));
  const plot: Plot = {
    title: "On its way",
    x: null,
    y: "people who",
    y_top: Math.max(1, members),
    columns: [],
    series: [
      { name: "have it", points: steps(curve.map(([at, had]) => [at, had]), until) },
      { name: "have read it", points: steps(curve.map(([at, , read]) => [at, read]), until) },
    ],
  };
  return (
    <div class="world" role="group" aria-label={`Message ${written.message + 1}`}>
      <div class="head">
        <h2>Message {written.message + 1}</h2>
        <button type="button" onClick={() => seek(from)}>
          From its start
        </button>
        <button type="button" class="quiet" onClick={() => void chooseMessage(undefined)}>
          Close
        </button>
      </div>
      <p>
        {called(written.author)} wrote {bytes(written.bytes)} to {line(about.value?.channels[written.channel]?.[0] ?? "", 30)} at {virtual(from)}.
      </p>
      <p class="reach">
        <strong>
          {readers.toLocaleString("en")} of {members.toLocaleString("en")}
        </strong>{" "}
        members have read it
        {said ? "" : "; it is not written yet"}
      </p>
      <progress max={Math.max(1, members)} value={readers} aria-label="Members who have read it" />
      <dl class="facts">
        <dt>Have a copy</dt>
        <dd>
          {holders.toLocaleString("en")}
          {holders > readers ? ` (${(holders - readers).toLocaleString("en")} have not read it)` : ""}
        </dd>
        <dt>Copies in the end</dt>
        <dd>{shown.copies.toLocaleString("en")}</dd>
        {within && (
          <>
            <dt>Half · 90 % · all, after</dt>
            <dd class="figures">
              {took(within[0])} · {took(within[1])} · {took(within[2])}
            </dd>
          </>
        )}
      </dl>
      <PlotCard plot={plot} now={now} end={until} from={from} bare />
    </div>
  );
}

/** Counts do not rise between two moments. */
function steps(points: [number, number][], until: number): [number, number][] {
  const flat = points.flatMap(([x, y], at): [number, number][] => [[x, points[at - 1]?.[1] ?? 0], [x, y]]);
  return [...flat, [until, points[points.length - 1]?.[1] ?? 0]];
}

function Report() {
  const told = figures.value;
  if (!told) return <p class="dim">Reading…</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Report">
      {told.lacks && <p class="dim">{told.lacks}</p>}
      {told.verdicts.length > 0 && (
        <ul class="verdicts">
          {told.verdicts.map(([words, met]) => (
            <li key={words} class={met ? "met" : "missed"}>
              {line(words.replace(/^(met|MISSED)\s+/, ""), 200)} <span class="state">{met ? "met" : "missed"}</span>
            </li>
          ))}
        </ul>
      )}
      <dl class="facts">
        {told.rows.map(([name, value]) => (
          <>
            <dt>{line(name)}</dt>
            <dd>{line(value)}</dd>
          </>
        ))}
      </dl>
      <p class="dim">
        Trace <span class="mono">{about.value?.trace}</span>
      </p>
    </div>
  );
}
