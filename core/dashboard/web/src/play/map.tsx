import { useEffect, useRef, useState } from "preact/hooks";
import { count } from "../text";
import { about, choosePerson, chosen, frames, person, playing, speed, spread, world } from "./player";
import type { Medium, Spread } from "./types";
import { around, fit, nameOf, place, way, type Box, type Place } from "./world";

export const MEDIA: Record<Medium, { name: string; colour: string; dash: number[] }> = {
  ble: { name: "Bluetooth", colour: "ble", dash: [] },
  lan: { name: "local network", colour: "lan", dash: [7, 4] },
  internet: { name: "Internet", colour: "direct", dash: [2, 4] },
};
/** More names than this would lie over each other. */
const MAX_NAMES = 30;
/** A click so far from somebody still means that person, in pixels. */
const NEAR = 16;
/** What just happened is shown for so long, in milliseconds of the person's time. */
const FRESH = 900;
/** With more links than this they are drawn anew only now and then: every so many frames of the screen. */
const MANY_LINKS = 1200;
const SELDOM = 6;
/** The picture is fitted anew every so many frames of the screen. */
const REFIT = 12;

/** What the picture does by itself: shows all, keeps to one person, or nothing. */
type Mode = "fit" | "follow" | "free";

interface View {
  /** Of the middle of the picture, in decimetres. */
  x: number;
  y: number;
  /** Pixels a decimetre. */
  scale: number;
}

/** People, links, and one message among them. The picture is for eyes; the list beside it says the same. */
export function PeopleMap() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const painter = useRef<Painter>(undefined);
  const [mode, setMode] = useState<Mode>("fit");
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const own = new Painter(element, setMode);
    painter.current = own;
    const paint = (now: number) => own.paint(now);
    frames.add(paint);
    return () => {
      frames.delete(paint);
      own.gone();
    };
  }, []);
  const known = about.value;
  const used = new Set<Medium>();
  for (const [, , medium] of world.links.values()) used.add(medium);
  const media = (Object.keys(MEDIA) as Medium[]).filter((medium) => used.has(medium));
  return (
    <div class="stage">
      <canvas ref={canvas} role="img" aria-label="Map of the people and the links between them. The list of people says the same in words." />
      <div class="zoom" role="group" aria-label="Picture">
        <button type="button" aria-label="Closer" onClick={() => painter.current?.zoom(1.5)}>
          +
        </button>
        <button type="button" aria-label="Farther" onClick={() => painter.current?.zoom(1 / 1.5)}>
          −
        </button>
        <button type="button" aria-pressed={mode === "fit"} onClick={() => painter.current?.turn("fit")}>
          Fit
        </button>
        <button type="button" aria-pressed={mode === "follow"} disabled={!person.value} title="Keep the chosen person in the middle" onClick={() => painter.current?.turn("follow")}>
          Follow
        </button>
      </div>
      <ul class="legend keys" aria-hidden="true">
        {media.map((medium) => (
          <li key={medium} class={`link ${medium}`}>
            {MEDIA[medium].name}
          </li>
        ))}
        <li class="phone on">phone on</li>
        <li class="phone off">off</li>
        {chosen.value !== undefined && (
          <>
            <li class="phone has">has the message</li>
            <li class="phone carries">carries it for others</li>
          </>
        )}
      </ul>
      {known && known.drawn_every > 1 && (
        <p class="dim">
          The picture shows one in {known.drawn_every} of {count(known.people, "person", "people")}, and whoever you choose. Figures count all.
        </p>
      )}
    </div>
  );
}

/** Whether there is room for names: a few people on one spot have none. */
function apart(sight: [number, Place][]): boolean {
  const cells = new Set(sight.map(([, at]) => `${Math.round(at.x / 36)} ${Math.round(at.y / 20)}`));
  return cells.size >= sight.length * 0.8;
}

/** How a person is drawn: by its phone, or by the chosen message. */
type Mark = "off" | "on" | "carries" | "has";
/** Around a mark, for its corners and its outline, in pixels. */
const MARGIN = 7;

class Painter {
  private view: View | undefined;
  private mode: Mode = "fit";
  private count = 0;
  private goal: Box | undefined;
  private readonly watcher: ResizeObserver;
  private readonly calm = matchMedia("(prefers-reduced-motion: reduce)");
  private places = new Map<number, Place>();
  private colours: (name: string) => string = () => "";
  private theme = "";
  private drawn = "";
  /** Links and paths, kept while they are drawn seldom. */
  private readonly under = document.createElement("canvas");
  private underState = "";
  private underView: View | undefined;
  private underAge = 0;
  private sprites = new Map<string, HTMLCanvasElement>();

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly tell: (mode: Mode) => void,
  ) {
    this.watcher = new ResizeObserver(() => {
      this.drawn = "";
      if (this.mode !== "free") this.view = undefined;
    });
    this.watcher.observe(canvas);
    canvas.onpointerdown = (event) => this.grab(event);
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  gone(): void {
    this.watcher.disconnect();
    this.canvas.onpointerdown = null;
  }

  zoom(by: number, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2): void {
    const view = this.view;
    if (!view) return;
    this.turn("free");
    const before = this.back(x, y);
    view.scale = Math.max(1e-4, Math.min(50, view.scale * by));
    const after = this.back(x, y);
    view.x += before.x - after.x;
    view.y += before.y - after.y;
    this.drawn = "";
  }

  /** Chooses what the picture does by itself. */
  turn(mode: Mode): void {
    if (mode === this.mode && mode !== "fit") return;
    this.mode = mode;
    this.goal = undefined;
    if (mode === "fit") this.view = undefined;
    this.tell(mode);
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
  }

  private grab(event: PointerEvent): void {
    if (event.button !== 0) return;
    const canvas = this.canvas;
    const from = { x: event.offsetX, y: event.offsetY, view: this.view && { ...this.view } };
    let moved = false;
    canvas.setPointerCapture(event.pointerId);
    canvas.onpointermove = (next) => {
      const [x, y] = [next.offsetX - from.x, next.offsetY - from.y];
      moved ||= Math.hypot(x, y) > 5;
      if (!moved || !this.view || !from.view) return;
      this.turn("free");
      this.view.x = from.view.x - x / this.view.scale;
      this.view.y = from.view.y + y / this.view.scale;
      this.drawn = "";
    };
    const over = () => (canvas.onpointermove = canvas.onpointerup = canvas.onpointercancel = null);
    canvas.onpointercancel = over;
    canvas.onpointerup = () => {
      over();
      if (!moved) this.click(from.x, from.y);
    };
  }

  private click(x: number, y: number): void {
    let best: number | undefined;
    let nearest = NEAR;
    for (const [who, at] of this.places) {
      const far = Math.hypot(at.x - x, at.y - y);
      if (far < nearest) [best, nearest] = [who, far];
    }
    void choosePerson(best);
  }

  private back(x: number, y: number): Place {
    const view = this.view ?? { x: 0, y: 0, scale: 1 };
    const { clientWidth: width, clientHeight: height } = this.canvas;
    return { x: view.x + (x - width / 2) / view.scale, y: view.y - (y - height / 2) / view.scale };
  }

  private look(now: number): View | undefined {
    if (this.mode === "free" && this.view) return this.view;
    const followed = this.mode === "follow" ? world.dots.get(person.value?.who ?? -1) : undefined;
    const middle = followed && place(followed, now);
    if (this.count++ % REFIT === 0 || !this.goal || !this.view) {
      const places = [...world.dots.values()].map((dot) => place(dot, now));
      if (places.length === 0) return undefined;
      this.goal = middle ? around(middle, places) : fit(places);
    }
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const { x, y, width: wide, height: high } = this.goal;
    // Room for names, for the buttons above and the ruler below.
    const [room, roof] = [Math.max(60, width - 90), Math.max(60, height - 116)];
    const goal: View = { x: x + wide / 2, y: y + high / 2, scale: Math.min(room / wide, roof / high) };
    const view = this.view;
    if (!view) return (this.view = goal);
    if (middle) Object.assign(view, middle);
    const off = Math.max(
      middle ? 0 : Math.abs(goal.x - view.x) * goal.scale,
      middle ? 0 : Math.abs(goal.y - view.y) * goal.scale,
      200 * Math.abs(Math.log(goal.scale / view.scale)),
    );
    if (off < 0.5) return view;
    // Glides after the people; whoever wants no motion sees the picture move seldom, and at once.
    const part = this.calm.matches ? (off > 40 ? 1 : 0) : 0.12;
    if (!middle) {
      view.x += (goal.x - view.x) * part;
      view.y += (goal.y - view.y) * part;
    }
    view.scale *= (goal.scale / view.scale) ** part;
    return view;
  }

  paint(now: number): void {
    const canvas = this.canvas;
    const context = canvas.getContext("2d");
    const view = this.look(now);
    if (!context || canvas.clientWidth === 0) return;
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const theme = `${document.documentElement.dataset["theme"]} ${dark}`;
    const state = `${now} ${view?.x} ${view?.y} ${view?.scale} ${theme} ${person.value?.who} ${spread.value?.written.message} ${world.dots.size} ${world.links.size}`;
    if (state === this.drawn) return;
    this.drawn = state;
    if (theme !== this.theme) {
      const style = getComputedStyle(canvas);
      const known = new Map<string, string>();
      this.colours = (name) => {
        const colour = known.get(name) ?? style.getPropertyValue(`--${name}`).trim();
        known.set(name, colour);
        return colour;
      };
      this.theme = theme;
    }
    const ratio = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!view) return;
    const at = (x: number, y: number): Place => ({ x: width / 2 + (x - view.x) * view.scale, y: height / 2 - (y - view.y) * view.scale });
    this.places.clear();
    for (const [who, dot] of world.dots) {
      const { x, y } = place(dot, now);
      this.places.set(who, at(x, y));
    }
    const paths = spread.value;
    const lines = (to: CanvasRenderingContext2D) => {
      this.walls(to, at);
      this.links(to);
      if (paths) this.paths(to, paths, now);
    };
    if (world.links.size <= MANY_LINKS) lines(context);
    else {
      this.refresh(`${theme} ${person.value?.who} ${paths?.written.message} ${width} ${height} ${playing.value}`, view, ratio, lines);
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.drawImage(this.under, 0, 0);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    this.people(context, paths, now, ratio);
    this.ruler(context, view, width, height);
  }

  /** Draws what lies under the people anew, if it is old or belongs to another view. */
  private refresh(state: string, view: View, ratio: number, lines: (to: CanvasRenderingContext2D) => void): void {
    const old = this.underView;
    const still =
      old !== undefined && Math.abs(old.scale / view.scale - 1) < 0.002 && Math.hypot(old.x - view.x, old.y - view.y) * view.scale < 1.5;
    if (playing.value && still && state === this.underState && ++this.underAge < SELDOM) return;
    const context = this.under.getContext("2d");
    if (!context) return;
    this.underState = state;
    this.underView = { ...view };
    this.underAge = 0;
    this.under.width = this.canvas.width;
    this.under.height = this.canvas.height;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    lines(context);
  }

  /** A mark of one kind, painted once: thousands of them are copied much faster than drawn. */
  private sprite(kind: Mark, size: number, many: boolean, ratio: number): HTMLCanvasElement {
    const key = `${kind} ${size} ${ratio} ${this.theme}`;
    const known = this.sprites.get(key);
    if (known) return known;
    const own = document.createElement("canvas");
    own.width = own.height = Math.ceil((2 * MARGIN + 2 * size) * ratio);
    const context = own.getContext("2d");
    if (context) {
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.translate(size + MARGIN, size + MARGIN);
      context.beginPath();
      if (kind === "on" || kind === "off") context.arc(0, 0, size, 0, 2 * Math.PI);
      else {
        const far = size * 1.55;
        for (const [x, y] of [[0, -far], [far, 0], [0, far], [-far, 0]] as const) context.lineTo(x, y);
        context.closePath();
      }
      const [fill, stroke] = ({ on: ["accent", "card"], off: ["card", "dim"], has: ["carry", "card"], carries: ["card", "carry"] } as const)[kind];
      context.fillStyle = this.colours(fill);
      context.strokeStyle = this.colours(stroke);
      context.lineWidth = (many ? 1 : 1.5) * (kind === "carries" ? 1.6 : 1);
      context.fill();
      context.stroke();
    }
    this.sprites.set(key, own);
    return own;
  }

  private walls(context: CanvasRenderingContext2D, at: (x: number, y: number) => Place): void {
    context.setLineDash([]);
    context.lineCap = "butt";
    context.strokeStyle = this.colours("dim");
    for (const [x1, y1, x2, y2, loss] of about.value?.walls ?? []) {
      const [from, to] = [at(x1, y1), at(x2, y2)];
      context.lineWidth = Math.max(2, Math.min(6, loss / 3));
      context.beginPath();
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
      context.stroke();
    }
  }

  private links(context: CanvasRenderingContext2D): void {
    const who = person.value?.who;
    const many = world.links.size;
    const quiet = chosen.value !== undefined || who !== undefined;
    context.lineCap = "round";
    for (const medium of Object.keys(MEDIA) as Medium[]) {
      const { colour, dash } = MEDIA[medium];
      for (const own of [false, true]) {
        context.beginPath();
        for (const [one, other, over] of world.links.values()) {
          if (over !== medium || (one === who || other === who) !== own) continue;
          const [from, to] = [this.places.get(one), this.places.get(other)];
          if (!from || !to) continue;
          context.moveTo(from.x, from.y);
          context.lineTo(to.x, to.y);
        }
        context.setLineDash(dash);
        context.strokeStyle = this.colours(colour);
        context.lineWidth = own ? 2.5 : many > 400 ? 1 : 1.5;
        context.globalAlpha = own ? 0.95 : (many > 1500 ? 0.22 : many > 200 ? 0.35 : 0.5) * (quiet ? 0.55 : 1);
        context.stroke();
      }
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  private paths(context: CanvasRenderingContext2D, shown: Spread, now: number): void {
    const colour = this.colours("carry");
    const fresh = FRESH * speed.value;
    const line = (from: number, to: number) => {
      const [one, other] = [this.places.get(from), this.places.get(to)];
      if (!one || !other) return;
      context.moveTo(one.x, one.y);
      context.lineTo(other.x, other.y);
    };
    context.strokeStyle = colour;
    for (const young of [false, true]) {
      context.beginPath();
      for (const [who, since, from] of shown.reached) {
        if (since > now) break;
        if (from !== null && (playing.value && now - since < fresh) === young) line(from, who);
      }
      context.globalAlpha = young ? 1 : 0.75;
      context.lineWidth = young ? 4 : 2;
      context.stroke();
    }
    const who = person.value?.who;
    if (who !== undefined) {
      const { people } = way(shown, who, now);
      context.beginPath();
      for (let step = 1; step < people.length; step++) line(people[step - 1] as number, people[step] as number);
      context.lineWidth = 4;
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  private people(context: CanvasRenderingContext2D, shown: Spread | undefined, now: number, ratio: number): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const sight = [...this.places].filter(([, at]) => at.x >= 0 && at.y >= 0 && at.x <= width && at.y <= height);
    const many = sight.length;
    const size = many <= 60 ? 7 : many <= 400 ? 4.5 : 2.8;
    const [ink, dim, ground] = ["ink", "dim", "card"].map(this.colours) as [string, string, string];
    const rows = new Map<number, boolean>();
    if (shown) {
      for (const [who, since, , , read] of shown.reached) {
        if (since > now) break;
        rows.set(who, read !== null && read <= now);
      }
      if (now >= shown.written.said_ms) rows.set(shown.written.author, true);
    }
    const kinds: Record<Mark, Place[]> = { off: [], on: [], carries: [], has: [] };
    for (const [who, at] of this.places) {
      const read = rows.get(who);
      const kind = read === undefined ? (world.dots.get(who)?.[7] === "on" ? "on" : "off") : read ? "has" : "carries";
      kinds[kind].push(at);
    }
    for (const kind of Object.keys(kinds) as Mark[]) {
      const mark = this.sprite(kind, size, many > 400, ratio);
      const wide = mark.width / ratio;
      for (const { x, y } of kinds[kind]) context.drawImage(mark, x - size - MARGIN, y - size - MARGIN, wide, wide);
    }
    this.rings(context, shown, now, size);
    const groups = about.value?.groups ?? [];
    const names = many <= MAX_NAMES && apart(sight) ? sight.map(([who]) => who) : [person.value?.who, rows.size > 0 ? shown?.written.author : undefined];
    context.font = "500 12px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "top";
    context.lineJoin = "round";
    for (const who of new Set(names)) {
      const at = who === undefined ? undefined : this.places.get(who);
      if (!at || who === undefined) continue;
      const words = nameOf(groups, who);
      context.strokeStyle = ground;
      context.lineWidth = 3;
      context.strokeText(words, at.x, at.y + size + 7);
      context.fillStyle = who === person.value?.who ? ink : dim;
      context.fillText(words, at.x, at.y + size + 7);
    }
  }

  /** Around whoever is chosen, whoever wrote the message, and whoever has just written one. */
  private rings(context: CanvasRenderingContext2D, shown: Spread | undefined, now: number, size: number): void {
    const ring = (who: number | undefined, radius: number, colour: string, width: number, alpha = 1) => {
      const at = who === undefined ? undefined : this.places.get(who);
      if (!at) return;
      context.globalAlpha = alpha;
      context.strokeStyle = this.colours(colour);
      context.lineWidth = width;
      context.beginPath();
      context.arc(at.x, at.y, radius, 0, 2 * Math.PI);
      context.stroke();
      context.globalAlpha = 1;
    };
    if (shown && now >= shown.written.said_ms) ring(shown.written.author, size + 8, "carry", 2);
    ring(person.value?.who, size + 5, "ink", 2.5);
    if (this.calm.matches || !playing.value) return;
    for (const [who, since] of world.spoke) {
      const part = (now - since) / (FRESH * speed.value);
      if (part >= 1) world.spoke.delete(who);
      else if (part >= 0) ring(who, size + 4 + 16 * part, "accent", 2, 1 - part);
    }
  }

  /** A length that is easy to grasp, and how many are not in sight. */
  private ruler(context: CanvasRenderingContext2D, view: View, width: number, height: number): void {
    const metres = 90 / view.scale / 10;
    const power = 10 ** Math.floor(Math.log10(metres));
    const length = ([5, 2, 1].find((step) => step * power <= metres) ?? 1) * power;
    const wide = length * 10 * view.scale;
    const [x, y] = [14, height - 14];
    context.strokeStyle = context.fillStyle = this.colours("dim");
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(x, y - 4);
    context.lineTo(x, y);
    context.lineTo(x + wide, y);
    context.lineTo(x + wide, y - 4);
    context.stroke();
    context.font = "12px system-ui, sans-serif";
    context.textAlign = "left";
    context.textBaseline = "bottom";
    context.fillText(length >= 1000 ? `${length / 1000} km` : `${length} m`, x + 4, y - 3);
    let outside = 0;
    for (const at of this.places.values()) if (at.x < 0 || at.y < 0 || at.x > width || at.y > height) outside++;
    if (outside === 0) return;
    context.textAlign = "right";
    context.fillText(`${outside} outside the picture`, width - 12, y + 2);
  }
}
