import { useEffect, useRef } from "preact/hooks";
import type { LinkWord } from "../api";
import { peers } from "../state";
import { count, line } from "../text";
import { LINKS, peerName } from "../words";
import { layout, MAX_DRAWN } from "./layout";

const DASHES: Record<LinkWord, number[]> = { lan: [], ble: [2, 5], direct: [10, 4], relay: [10, 4, 2, 4] };
/** More names than this would lie over each other. */
const MAX_NAMES = 24;

/** Peers and links. The picture is for eyes; its words, and the list of people, say the same. */
export function Graph() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const people = peers.value;
  const linked = people.filter((peer) => peer.state === "connected");
  const mediums = [...new Set(linked.map((peer) => peer.link))];
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    let asked = 0;
    const redraw = () => {
      cancelAnimationFrame(asked);
      asked = requestAnimationFrame(() => draw(element));
    };
    const watcher = new ResizeObserver(redraw);
    watcher.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", redraw);
    const unsubscribe = peers.subscribe(redraw);
    return () => {
      unsubscribe();
      watcher.disconnect();
      dark.removeEventListener("change", redraw);
      cancelAnimationFrame(asked);
    };
  }, []);
  const seen = people.filter((peer) => peer.state === "seen").length;
  const words = `You, ${count(linked.length, "linked peer", "linked peers")}, ${count(seen, "more in sight", "more in sight")}.`;
  return (
    <>
      <canvas ref={canvas} role="img" aria-label={words} />
      <ul class="legend" aria-hidden="true">
        {mediums.map((medium) => (
          <li key={medium} class={medium}>
            {LINKS[medium]}
          </li>
        ))}
        {seen > 0 && <li class="seen">in sight</li>}
      </ul>
      {people.length > MAX_DRAWN && (
        <p class="dim">
          The picture shows the nearest {MAX_DRAWN} of {people.length.toLocaleString("en")}.
        </p>
      )}
    </>
  );
}

function draw(canvas: HTMLCanvasElement): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const ratio = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  context.scale(ratio, ratio);
  const style = getComputedStyle(canvas);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const [ink, dim, ground, own] = [colour("ink"), colour("dim"), colour("card"), colour("accent")];
  const places = layout(peers.value).map((place) => ({
    ...place,
    // An ellipse that leaves room for names.
    x: width / 2 + place.x * (width / 2 - 30),
    y: height / 2 + place.y * (height / 2 - 22),
  }));
  const small = places.length > 60;
  const middle = { x: width / 2, y: height / 2 };

  context.lineCap = "round";
  for (const { peer, x, y } of places) {
    if (peer.state === "seen" || peer.state === "lost") continue;
    context.beginPath();
    context.strokeStyle = peer.state === "connected" ? colour(peer.link) : dim;
    context.lineWidth = peer.rssi_dbm === undefined ? 2 : 1 + Math.max(0, (peer.rssi_dbm + 95) / 16);
    context.globalAlpha = small ? 0.45 : 0.9;
    context.setLineDash(DASHES[peer.link]);
    context.moveTo(middle.x, middle.y);
    context.lineTo(x, y);
    context.stroke();
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
  for (const { peer, x, y } of places) {
    context.beginPath();
    const near = peer.state === "connected";
    context.arc(x, y, small ? 3.5 : near ? 9 : 6, 0, 2 * Math.PI);
    context.fillStyle = near ? colour(peer.link) : ground;
    context.strokeStyle = near ? ground : dim;
    context.lineWidth = 2;
    context.fill();
    context.stroke();
  }
  context.font = "500 12px system-ui, sans-serif";
  context.textAlign = "center";
  if (places.length <= MAX_NAMES) {
    for (const { peer, x, y } of places) {
      const signal = peer.rssi_dbm === undefined ? "" : `  ${peer.rssi_dbm} dBm`;
      const below = y >= middle.y;
      context.fillStyle = peer.state === "connected" ? ink : dim;
      context.textBaseline = below ? "top" : "bottom";
      context.fillText(line(peerName(peer), 16) + signal, x, below ? y + 13 : y - 13);
    }
  }
  context.beginPath();
  context.arc(middle.x, middle.y, 19, 0, 2 * Math.PI);
  context.fillStyle = own;
  context.strokeStyle = ground;
  context.lineWidth = 3;
  context.fill();
  context.stroke();
  context.fillStyle = colour("on-accent");
  context.textBaseline = "middle";
  context.fillText("you", middle.x, middle.y);
}
