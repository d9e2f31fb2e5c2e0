// A simulation as a person looks at it (issue 5, items 5 and 6, must show g; SIM-2): the real program runs a scenario
// and serves it, a real browser plays it.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { AXE, PICTURES, PROGRAM, View, check, launch, open, painted } from "./support.mjs";

let browser, view, page, report;
const directory = mkdtempSync(join(tmpdir(), "sovereign-player-"));

before(async () => {
  const kept = join(directory, "campfire");
  const ran = spawnSync(PROGRAM, ["sim", "run", "campfire", "--json", "--report", kept], { encoding: "utf8" });
  assert.equal(ran.status, 0, ran.stderr);
  report = JSON.parse(ran.stdout).report;
  [browser, view] = await Promise.all([launch(), View.start(kept)]);
  page = await open(browser, view, AXE);
  await page.getByRole("heading", { name: "campfire" }).waitFor({ state: "attached" });
  await page.getByRole("figure").nth(4).waitFor();
});

after(async () => {
  await browser?.close();
  await view?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const slider = () => page.getByRole("slider", { name: "Time" });
const time = async () => Number(await slider().inputValue());
/** Resolves once the playhead is where it is meant to be. */
const until = (fits) => page.waitForFunction(fits, null, { polling: 50 });
const tab = (name) => page.getByRole("tab", { name }).click();

test("it plays, time goes on, and pause stops it", async () => {
  assert.equal(await time(), 0);
  await page.getByRole("button", { name: "Play" }).click();
  await until(() => Number(document.querySelector("input[type=range]").value) > 15_000);
  await page.getByRole("button", { name: "Pause" }).click();
  const stopped = await time();
  await painted(page);
  await painted(page);
  assert.equal(await time(), stopped);
  assert.match(await page.getByRole("status").last().textContent(), /^0:\d\d of 20:00\. 11 phones are on, \d+ links?/);
});

test("the playhead goes where it is put, by pointer, key and speed", async () => {
  await slider().fill("660000");
  await page.getByRole("status").getByText(/^11:00 of 20:00\. 12 phones are on/).waitFor({ state: "attached" });
  await slider().press("ArrowRight");
  await page.getByRole("status").getByText(/^11:12 of 20:00/).waitFor({ state: "attached" });
  await slider().press("Home");
  await page.getByRole("status").getByText(/^0:00 of 20:00/).waitFor({ state: "attached" });
  // From the first to the last second: the end stops it by itself.
  await page.getByRole("combobox", { name: "Speed" }).selectOption("3600");
  await page.getByRole("button", { name: "Play" }).click();
  await until(() => Number(document.querySelector("input[type=range]").value) === 1_200_000);
  await page.getByRole("button", { name: "Play" }).waitFor();
});

test("a click on somebody shows its world, and so does the keyboard", async () => {
  await slider().fill("600000");
  await page.getByRole("status").getByText(/^10:00 of/).waitFor({ state: "attached" });
  await painted(page);
  // People stand on a circle around the middle of the picture: the first one to the east of it.
  const canvas = page.getByRole("img", { name: /^Map of the people/ });
  const box = await canvas.boundingBox();
  const world = page.getByRole("group", { name: /^The world of/ });
  for (let x = box.width / 2; x < box.width - 10 && !(await world.isVisible()); x += 12) {
    await canvas.click({ position: { x, y: box.height / 2 } });
    await painted(page);
  }
  await page.getByRole("group", { name: "The world of early 1" }).waitFor();
  assert.match(await world.textContent(), /Linked with(early|late)/);
  assert.match(await world.textContent(), /\d+ written, \d+ read, \d+ held/);
  const late = page.getByRole("button", { name: /^late/ });
  await page.getByRole("searchbox", { name: "Search people" }).fill("late");
  await late.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("group", { name: "The world of late" }).waitFor();
});

test("a message is watched until it has reached as many as the report says", async () => {
  await tab("Messages");
  await page.getByRole("button", { name: /^1 · / }).click();
  const card = page.getByRole("group", { name: "Message 1" });
  await card.getByRole("button", { name: "From its start" }).click();
  await card.getByText("0 of 11").waitFor();
  await page.evaluate(() => {
    const read = () => Number.parseInt(document.querySelector(".reach strong").textContent, 10);
    globalThis.seen = [read()];
    new MutationObserver(() => globalThis.seen.push(read())).observe(document.querySelector(".reach"), { subtree: true, characterData: true, childList: true });
  });
  // Ten have it within some seconds; the last one comes late, and reads it all the same.
  await page.getByRole("combobox", { name: "Speed" }).selectOption("1");
  await page.getByRole("button", { name: "Play" }).click();
  await card.getByText("10 of 11").waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  await slider().press("End");
  await card.getByText("11 of 11").waitFor();
  const seen = await page.evaluate(() => globalThis.seen);
  assert.deepEqual(seen, seen.toSorted((a, b) => a - b));
  assert.ok(new Set(seen).size > 3, `it did not rise step by step: ${seen}`);
  const { made, due, delivery } = report;
  assert.deepEqual([made, delivery], [due, 1]);
});

test("the figures are the report's", async () => {
  await tab("Report");
  const shown = await page.getByRole("region", { name: "Report", exact: true }).textContent();
  const text = readFileSync(join(directory, "campfire/report.txt"), "utf8");
  const rows = text.split("\n").flatMap((line) => line.match(/^(\S.*?) {2,}(\S.*)$/)?.slice(1, 3).join("") ?? []);
  assert.ok(rows.length >= 12);
  for (const row of rows.filter((row) => !row.startsWith("met"))) assert.ok(shown.includes(row), row);
  await tab("People");
});

test("it looks right in four ways, and axe finds nothing serious", async () => {
  const found = [];
  for (const width of [390, 1440]) {
    await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      for (const name of ["People", "Messages", "Report"]) {
        await tab(name);
        await slider().fill(name === "Messages" ? "100000" : "600000");
        await page.evaluate(() => scrollTo(0, 0));
        await painted(page);
        await painted(page);
        const picture = `player-${name.toLowerCase()}-${width}-${colorScheme}.png`;
        await page.screenshot({ path: join(PICTURES, picture), fullPage: true });
        found.push(...(await check(page, `player ${name} ${width} ${colorScheme}`)));
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${name} at ${width} is ${wide} px too wide`);
      }
    }
  }
  assert.deepEqual(found, []);
});

test("nothing went wrong in the page, and no other host was asked", () => {
  assert.deepEqual(page.troubles, []);
  assert.deepEqual([...page.hosts], [new URL(view.url).host]);
});

test("Ctrl-C ends it cleanly, and the page says so", async () => {
  assert.equal(await view.stop("SIGINT"), 0);
  await page.getByText("The program has ended.").waitFor();
});
