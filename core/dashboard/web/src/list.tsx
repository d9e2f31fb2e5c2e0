import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

interface Props<T> {
  label: string;
  items: T[];
  /** Of a row, in pixels. */
  height: number;
  keyOf(item: T): string;
  row(item: T): ComponentChildren;
}

/** Rows beyond the edges that are there already when one scrolls. */
const SPARE = 8;

/** A list of any length: only the rows in view exist. */
export function VirtualList<T>({ label, items, height, keyOf, row }: Props<T>) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ from: 0, rows: 30 });
  const measure = () => {
    const element = box.current;
    if (!element) return;
    const from = Math.max(0, Math.floor(element.scrollTop / height) - SPARE);
    const rows = Math.ceil(element.clientHeight / height) + 2 * SPARE;
    setView((old) => (old.from === from && old.rows === rows ? old : { from, rows }));
  };
  useEffect(() => {
    measure();
    const watcher = new ResizeObserver(measure);
    if (box.current) watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);
  const from = Math.min(view.from, Math.max(0, items.length - 1));
  const shown = items.slice(from, from + view.rows);
  return (
    <div class="virtual" ref={box} onScroll={measure} tabIndex={0} role="region" aria-label={label}>
      <ul style={{ height: `${items.length * height}px` }}>
        {shown.map((item, at) => (
          <li
            key={keyOf(item)}
            aria-setsize={items.length}
            aria-posinset={from + at + 1}
            style={{ height: `${height}px`, transform: `translateY(${(from + at) * height}px)` }}
          >
            {row(item)}
          </li>
        ))}
      </ul>
    </div>
  );
}
