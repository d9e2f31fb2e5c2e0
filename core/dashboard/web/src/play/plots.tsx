import { line } from "../text";
import type { Plot } from "./types";
import { virtual } from "./world";

const WIDTH = 250;
/** In a card of its own, and in one that has other things to show. */
const HEIGHTS = [160, 112] as const;
const [LEFT, RIGHT, TOP, BOTTOM] = [34, 10, 10, 32];
const STYLES = ["one", "two", "three", "four"];

interface Props {
  plot: Plot;
  /** Where the run is, and where it ends, in milliseconds. */
  now: number;
  end: number;
  from?: number;
  /** Whether it stands in a card already. */
  bare?: boolean;
}

/** One pair of axes. What the curves say at the playhead stands above them. */
export function PlotCard({ plot, now, end, from = 0, bare = false }: Props) {
  const height = HEIGHTS[bare ? 1 : 0];
  const time = plot.x === null;
  const points = plot.series.flatMap((series) => series.points);
  const right = time ? Math.max(end, from + 1) : plot.columns.length > 0 ? plot.columns.length + 0.5 : Math.max(1e-9, ...points.map(([x]) => x));
  const left = plot.columns.length > 0 ? 0.5 : from;
  const above = ceiling(Math.max(plot.y_top, ...points.map(([, y]) => y)));
  const x = (value: number) => LEFT + (WIDTH - LEFT - RIGHT) * Math.max(0, Math.min(1, (value - left) / (right - left)));
  const y = (value: number) => height - BOTTOM - (height - TOP - BOTTOM) * Math.max(0, Math.min(1, value / above));
  const words = plot.columns.length > 0 ? plot.columns.map((name, at) => `${line(name)} ${number(plot.series[0]?.points[at]?.[1] ?? 0)}`) : says(plot, time ? now : undefined);
  const thick = Math.min(44, (WIDTH - LEFT - RIGHT) / (2 * Math.max(1, plot.columns.length)));
  const nothing = points.length === 0;
  const marks = nothing || plot.columns.length > 0 ? [] : ticks(left, right, time);
  return (
    <figure class={bare ? "plot" : "card plot"}>
      <figcaption>
        <h3>{line(plot.title, 60)}</h3>
        <span class="dim">
          {line(plot.y, 40)}
          {words.length > 0 && `: ${words.join(", ")}`}
        </span>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${height}`} aria-hidden="true">
        {[0, 0.5, 1].map((part) => (
          <g key={part}>
            <line class="grid" x1={LEFT} x2={WIDTH - RIGHT} y1={y(above * part)} y2={y(above * part)} />
            <text x={LEFT - 6} y={y(above * part) + 4} text-anchor="end">
              {brief(above * part)}
            </text>
          </g>
        ))}
        {marks.map((value) => (
          <text key={value} x={x(value)} y={height - BOTTOM + 15} text-anchor={x(value) > WIDTH - 24 ? "end" : "middle"}>
            {time ? virtual(value) : brief(value)}
          </text>
        ))}
        {plot.columns.map((name, at) => (
          <g key={name}>
            <rect
              class="column"
              x={x(at + 1) - thick / 2}
              width={thick}
              y={y(plot.series[0]?.points[at]?.[1] ?? 0)}
              height={y(0) - y(plot.series[0]?.points[at]?.[1] ?? 0)}
              rx="3"
            />
            <text x={x(at + 1)} y={height - BOTTOM + 15} text-anchor="middle">
              {line(name)}
            </text>
          </g>
        ))}
        {plot.columns.length === 0 &&
          plot.series.map((series, at) => (
            <polyline key={series.name} class={`curve ${STYLES[at % STYLES.length]}`} points={series.points.map((point) => `${x(point[0]).toFixed(1)},${y(point[1]).toFixed(1)}`).join(" ")} />
          ))}
        {nothing && (
          <text x={(LEFT + WIDTH - RIGHT) / 2} y={y(above / 2) - 8} text-anchor="middle">
            nothing yet
          </text>
        )}
        {time && <line class="head" x1={x(now)} x2={x(now)} y1={TOP - 6} y2={height - BOTTOM} />}
        {plot.x !== null && plot.columns.length === 0 && (
          <text x={(LEFT + WIDTH - RIGHT) / 2} y={height - 3} text-anchor="middle">
            {line(plot.x, 40)}
          </text>
        )}
      </svg>
      {plot.series.length > 1 && (
        <ul class="legend">
          {plot.series.map((series, at) => (
            <li key={series.name} class={`line ${STYLES[at % STYLES.length]}`}>
              {line(series.name)}
            </li>
          ))}
        </ul>
      )}
    </figure>
  );
}

/** What the curves say at a time; or, where there is none, at their ends. */
function says(plot: Plot, at: number | undefined): string[] {
  return plot.series.flatMap(({ name, points }) => {
    const point = at === undefined ? undefined : points.filter(([x]) => x <= at).at(-1);
    if (!point) return [];
    return [plot.series.length > 1 ? `${line(name)} ${number(point[1])}` : number(point[1])];
  });
}

export function number(value: number): string {
  if (value === 0) return "0";
  if (value >= 1000) return Math.round(value).toLocaleString("en");
  return value >= 10 ? String(Math.round(value)) : String(Number(value.toFixed(2)));
}

/** For an axis, where there is little room. */
function brief(value: number): string {
  return value >= 1000 ? `${Number((value / 1000).toFixed(1))}k` : number(value);
}

/** The next round number. */
export function ceiling(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((part) => part * power >= value * 0.9999) ?? 10;
  return step * power;
}

/** Times in steps that clocks have. */
const TIMES = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800].map((seconds) => seconds * 1000);

function ticks(from: number, to: number, time: boolean): number[] {
  const wanted = (to - from) / 3;
  const step = time ? (TIMES.find((one) => one >= wanted) ?? wanted) : ceiling(wanted);
  const marks = [];
  for (let at = Math.ceil(from / step) * step; at <= to * 1.0001; at += step) marks.push(at);
  return marks;
}
