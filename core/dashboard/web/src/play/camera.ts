// Which part of the world the picture shows, and how a person moves it.

import { person, world } from "./player";
import { around, fit, place, type Box, type Place } from "./world";

/** The picture is fitted anew every so many frames of the screen. */
const REFIT = 12;

/** What the picture does by itself: shows all, keeps to one person, or nothing. */
export type Mode = "fit" | "follow" | "free";

export interface View {
  /** Of the middle of the picture, in decimetres. */
  x: number;
  y: number;
  /** Pixels a decimetre. */
  scale: number;
}

export interface Told {
  mode(mode: Mode): void;
  click(x: number, y: number): void;
}

export class Camera {
  private view: View | undefined;
  private mode: Mode = "fit";
  private count = 0;
  private goal: Box | undefined;
  private readonly watcher: ResizeObserver;
  private readonly calm = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly told: Told,
  ) {
    this.watcher = new ResizeObserver(() => {
      if (this.mode !== "free") this.view = undefined;
    });
    this.watcher.observe(canvas);
    canvas.onpointerdown = (event) => this.grab(event);
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  gone(): void {
    this.watcher.disconnect();
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
  }

  /** Chooses what the picture does by itself. */
  turn(mode: Mode): void {
    if (mode === this.mode && mode !== "fit") return;
    this.mode = mode;
    this.goal = undefined;
    if (mode === "fit") this.view = undefined;
    this.told.mode(mode);
  }

  /** What to show now; nothing while nobody is there. */
  look(now: number): View | undefined {
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
      };
    const over = () => (canvas.onpointermove = canvas.onpointerup = canvas.onpointercancel = null);
    canvas.onpointercancel = over;
    canvas.onpointerup = () => {
      over();
      if (!moved) this.told.click(from.x, from.y);
    };
  }

  private back(x: number, y: number): Place {
    const view = this.view ?? { x: 0, y: 0, scale: 1 };
    const { clientWidth: width, clientHeight: height } = this.canvas;
    return { x: view.x + (x - width / 2) / view.scale, y: view.y - (y - height / 2) / view.scale };
  }
}
