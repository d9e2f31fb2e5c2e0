// The picture itself: links, the ways of a message, people.

import { Camera, type Mode, type View } from "./camera";
import { about, choosePerson, chosen, person, playing, speed, spread, turned, world } from "./player";
import type { Medium, Spread } from "./types";
import { nameOf, place, way, type Place } from "./world";

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
/** How a person is drawn: by its phone, or by the chosen message. */
type Mark = "off" | "on" | "carries" | "has";
/** Around a mark, for its corners and its outline, in pixels. */
const MARGIN = 7;

export class Painter {
  readonly camera: Camera;
  private readonly calm = matchMedia("(prefers-reduced-motion: reduce)");
  private readonly dark = matchMedia("(prefers-color-scheme: dark)");
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
    tell: (mode: Mode) => void,
  ) {
    this.camera = new Camera(canvas, { mode: tell, click: (x, y) => this.click(x, y) });
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

  paint(now: number): void {
    const canvas = this.canvas;
    const context = canvas.getContext("2d");
    const view = this.camera.look(now);
    if (!context || canvas.clientWidth === 0) return;
    const { clientWidth: width, clientHeight: height } = canvas;
    const theme = `${document.documentElement.dataset["theme"]} ${this.dark.matches}`;
    const state = `${now} ${view?.x} ${view?.y} ${view?.scale} ${theme} ${width} ${height} ${person.value?.who} ${spread.value?.written.message} ${turned.value}`;
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

/** Whether there is room for names: a few people on one spot have none. */
function apart(sight: [number, Place][]): boolean {
  const cells = new Set(sight.map(([, at]) => `${Math.round(at.x / 36)} ${Math.round(at.y / 20)}`));
  return cells.size >= sight.length * 0.8;
}
