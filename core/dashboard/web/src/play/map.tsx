import { useEffect, useRef, useState } from "preact/hooks";
import { count } from "../text";
import type { Mode } from "./camera";
import { MEDIA, Painter } from "./painter";
import { about, beat, chosen, frames, person, turned, world } from "./player";
import type { Medium } from "./types";

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
      own.camera.gone();
    };
  }, []);
  const known = about.value;
  beat.value;
  turned.value;
  const used = new Set<Medium>();
  for (const [, , medium] of world.links.values()) used.add(medium);
  const media = (Object.keys(MEDIA) as Medium[]).filter((medium) => used.has(medium));
  return (
    <div class="stage">
      <canvas ref={canvas} role="img" aria-label="Map of the people and the links between them. The list of people says the same in words." />
      <div class="zoom" role="group" aria-label="Picture">
        <button type="button" aria-label="Closer" onClick={() => painter.current?.camera.zoom(1.5)}>
          +
        </button>
        <button type="button" aria-label="Farther" onClick={() => painter.current?.camera.zoom(1 / 1.5)}>
          −
        </button>
        <button type="button" aria-pressed={mode === "fit"} onClick={() => painter.current?.camera.turn("fit")}>
          Fit
        </button>
        <button type="button" aria-pressed={mode === "follow"} disabled={!person.value} title="Keep the chosen person in the middle" onClick={() => painter.current?.camera.turn("follow")}>
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
