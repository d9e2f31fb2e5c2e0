// What showing a crowd costs (issue 5, i): 5,000 peers and 50 messages a second, 1,000 changes of peers a second.
// Prints the processor time of the server with and without a page, and the frames a second of each page.
//
//   cargo build -p sovereign-dashboard --example crowd && node tests/dashboard/crowd.mjs [PEERS]

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { PICTURES, ROOT, counters, goTo, launch } from "./support.mjs";

const SECONDS = 10;
/** Clock ticks a second of /proc/PID/stat. */
const TICKS = 100;
const peers = process.argv[2] ?? "5000";

const program = spawn(join(ROOT, "target/debug/examples/crowd"), [peers, "1000", "50"], {
  stdio: ["ignore", "pipe", "inherit"],
});
const [line] = await once(createInterface({ input: program.stdout }), "line");
const { url, code } = JSON.parse(line);
const browser = await launch();

/** Processor time of the server in per cent of one core, over some seconds. */
async function cost(during = () => sleep(SECONDS * 1000)) {
  const spent = () => {
    const fields = readFileSync(`/proc/${program.pid}/stat`, "utf8").split(") ")[1].split(" ");
    return Number(fields[11]) + Number(fields[12]);
  };
  const [from, began] = [spent(), performance.now()];
  const result = await during();
  return [((spent() - from) / TICKS / ((performance.now() - began) / 1000)) * 100, result];
}

function frames(page) {
  return page.evaluate(
    (seconds) =>
      new Promise((done) => {
        let [count, longest, last] = [0, 0, performance.now()];
        const end = last + seconds * 1000;
        const frame = (now) => {
          count++;
          longest = Math.max(longest, now - last);
          last = now;
          if (now < end) requestAnimationFrame(frame);
          else done({ fps: count / seconds, longest });
        };
        requestAnimationFrame(frame);
      }),
    SECONDS,
  );
}

try {
  const [alone] = await cost();
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  await page.goto(url);
  await page.getByLabel("Code").fill(code);
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByRole("navigation").waitFor();
  console.log(`${peers} peers, 1,000 changes and 50 messages a second`);
  console.log(`server without a page: ${alone.toFixed(1)} % of a core`);
  let worst = Infinity;
  for (const name of ["Overview", "People", "Messages"]) {
    await goTo(page, name);
    if (name === "Messages") await page.getByRole("region", { name: "Channels" }).getByRole("button", { name: /#crowd/ }).click();
    await sleep(1000);
    const before = await counters(page);
    const [all, { fps, longest }] = await cost(() => frames(page));
    const after = await counters(page);
    worst = Math.min(worst, fps);
    const pushes = (after.pushes - before.pushes) / SECONDS;
    const kilobytes = (after.bytes - before.bytes) / SECONDS / 1000;
    console.log(
      `${name}: serving ${(all - alone).toFixed(1)} % of a core, ${pushes.toFixed(1)} pushes and ${kilobytes.toFixed(0)} KB a second; ` +
        `${fps.toFixed(0)} frames a second, longest ${longest.toFixed(0)} ms`,
    );
    await page.screenshot({ path: join(PICTURES, `crowd-${name.toLowerCase()}.png`) });
  }
  if (worst < 30) process.exitCode = 1;
} finally {
  await browser.close();
  program.kill();
}
