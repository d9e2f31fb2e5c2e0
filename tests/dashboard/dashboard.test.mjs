// The dashboard as a person uses it: two real nodes, a real browser (issue 5, g and h; APP-4, APP-5, APP-7, APP-8).

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { AXE, Node, PICTURES, check, counters, goTo, launch, open, openChannel, painted, send } from "./support.mjs";

const NASTY = '<img src=x onerror="document.title=`hacked`"><script>document.title="hacked"</script> \u202eesrever\u0007 &lt;b&gt;';

let browser, ada, bob, adaPage, bobPage;

before(async () => {
  browser = await launch();
  [ada, bob] = await Promise.all([Node.start("Ada"), Node.start("Bob")]);
  await bob.dial(ada);
  [adaPage, bobPage] = await Promise.all([open(browser, ada, AXE), open(browser, bob)]);
});

after(async () => {
  await browser?.close();
  await Promise.all([ada?.stop(), bob?.stop()]);
});

test("the first page says what is so", async () => {
  await adaPage.getByRole("heading", { name: "Linked with 1 peer nearby" }).waitFor();
  const layers = adaPage.getByRole("region", { name: "Ways to others" });
  await layers.getByText("Network links").waitFor();
  assert.match(await layers.textContent(), /[1-9][\d.]* K?B in, [1-9][\d.]* K?B out since/);
  assert.match(await adaPage.getByRole("img", { name: /^You, 1 linked peer/ }).getAttribute("aria-label"), /0 more/);
});

test("why do I see nobody: the doctor answers", async () => {
  await adaPage.getByRole("button", { name: "Find out" }).click();
  await adaPage.getByRole("region", { name: "Is everything well?" }).getByText("Storage").waitFor();
});

test("two nodes chat in their pages, and marks follow", async () => {
  await openChannel(adaPage, /#nearby/);
  await openChannel(bobPage, /#nearby/);
  await send(adaPage, "Water at the school from five.");
  await bobPage.getByRole("log").getByText("Water at the school from five.").waitFor();
  await send(bobPage, "I am on my way.");
  await adaPage.getByRole("log").getByText("I am on my way.").waitFor();
  await adaPage.getByRole("log").getByText("a member's device has it").first().waitFor({ state: "attached" });
});

test("a channel is created, its invitation taken, and left again", async () => {
  await adaPage.getByLabel("Join or create a channel").fill("family");
  await adaPage.getByRole("button", { name: "Create" }).click();
  await adaPage.getByRole("heading", { name: "family", exact: true }).waitFor();
  await adaPage.getByRole("button", { name: "Invite" }).click();
  const field = adaPage.getByLabel("Invitation link");
  await adaPage.waitForFunction((area) => area.value.startsWith("sovereign:invite/"), await field.elementHandle());
  const link = await field.inputValue();
  await adaPage.getByRole("button", { name: "Done" }).click();
  await bobPage.getByLabel("Join or create a channel").fill(link);
  await bobPage.getByRole("button", { name: "Join" }).click();
  await bobPage.getByRole("heading", { name: "family", exact: true }).waitFor();
  await send(bobPage, "Found it.");
  await adaPage.getByRole("log").getByText("Found it.").waitFor();
  await bobPage.getByRole("button", { name: "Leave" }).click();
  await bobPage.getByRole("dialog").getByRole("button", { name: "Leave" }).click();
  await bobPage.getByRole("heading", { name: "family", exact: true }).waitFor({ state: "detached" });
  await openChannel(bobPage, /#nearby/);
  await openChannel(adaPage, /#nearby/);
});

test("what is said is text, whatever it says", async () => {
  await send(adaPage, NASTY);
  const entry = bobPage.getByRole("article").filter({ hasText: "esrever" });
  await entry.waitFor();
  const shown = await entry.getByRole("paragraph").textContent();
  // The node takes the bell out; what reverses text is shown as what it is.
  assert.equal(shown, NASTY.replace("\u202e", "\ufffd").replace("\u0007", ""));
  assert.equal(await entry.locator("img, script, b").count(), 0);
  assert.equal(await bobPage.title(), "Sovereign");
});

test("the panel costs nothing while it is closed, and shows links and gossip while it is open", async () => {
  const before = await counters(adaPage);
  assert.equal(before.panel_pushes, 0);
  await adaPage.keyboard.press("Control+Shift+D");
  const panel = adaPage.getByRole("dialog", { name: /Developer panel/ });
  await panel.getByRole("cell", { name: /local network|Internet, direct/ }).waitFor();
  await panel.getByRole("button", { name: /^Ping/ }).click();
  await panel.getByRole("status").getByText(/answered in (under )?\d+ ms/).waitFor();
  await panel.getByRole("tab", { name: "Gossipsub" }).click();
  await panel.getByRole("button", { name: /test message to #nearby/ }).click();
  await bobPage.getByRole("log").getByText(/^Test message, /).waitFor();
  // Delivery is timed by the acknowledgement of Bob's node.
  await panel.getByRole("cell", { name: /^(under )?[\d,]+ ms \(\d+\)$/ }).first().waitFor();
  await adaPage.screenshot({ path: join(PICTURES, "panel.png") });

  const box = await panel.boundingBox();
  await adaPage.mouse.move(box.x + 60, box.y + 20);
  await adaPage.mouse.down();
  await adaPage.mouse.move(box.x - 40, box.y - 80, { steps: 4 });
  await adaPage.mouse.up();
  const moved = await panel.boundingBox();
  assert.deepEqual([Math.round(moved.x - box.x), Math.round(moved.y - box.y)], [-100, -100]);

  // Not faster than the server's own limit on requests.
  while ((await counters(adaPage)).panel_pushes < 3) await adaPage.waitForTimeout(100);
  await panel.focus();
  await adaPage.keyboard.press("Escape");
  await panel.waitFor({ state: "detached" });
  const closed = await counters(adaPage);
  assert.ok(closed.panel_pushes >= 2);
  // Events go on meanwhile; of the panel, nothing comes.
  for (const text of ["one", "two", "three"]) {
    await send(bobPage, text);
    await adaPage.getByRole("log").getByText(text, { exact: true }).waitFor();
  }
  const later = await counters(adaPage);
  assert.ok(later.pushes > closed.pushes);
  assert.equal(later.panel_pushes, closed.panel_pushes);
});

test("a forced reconnect closes the link and makes a new one", async () => {
  await bobPage.keyboard.press("Control+Shift+D");
  const panel = bobPage.getByRole("dialog", { name: /Developer panel/ });
  const at = bob.lines.length;
  await panel.getByRole("button", { name: /^Reconnect/ }).click();
  await panel.getByRole("status").getByText("1 links").waitFor();
  const since = (type) => bob.wait((event) => bob.lines.indexOf(event) >= at && event.type === type);
  await since("link_down");
  await since("link_up");
  await bobPage.keyboard.press("Control+Shift+D");
  await panel.waitFor({ state: "detached" });
});

test("every page looks right in four ways, and axe finds nothing serious", async () => {
  await openChannel(adaPage, /#nearby/);
  const found = [];
  for (const width of [390, 1440]) {
    await adaPage.setViewportSize({ width, height: width === 390 ? 844 : 900 });
    for (const colorScheme of ["light", "dark"]) {
      await adaPage.emulateMedia({ colorScheme });
      for (const name of ["Overview", "Messages", "People", "Settings"]) {
        // A conversation on a phone hides the pages: the way back is a button.
        const back = adaPage.getByRole("button", { name: "Back to the channels" });
        if (await back.isVisible()) await back.click();
        await goTo(adaPage, name);
        const shots = [name.toLowerCase()];
        if (name === "Messages") {
          if (width === 390) shots.unshift("channels");
          else await openChannel(adaPage, /#nearby/);
        }
        for (const shot of shots) {
          if (shot === "messages" && width === 390) await openChannel(adaPage, /#nearby/);
          await painted(adaPage);
          await adaPage.screenshot({ path: join(PICTURES, `${shot}-${width}-${colorScheme}.png`) });
          found.push(...(await check(adaPage, `${shot} ${width} ${colorScheme}`)));
          const wide = await adaPage.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(wide <= 0, `${shot} at ${width} is ${wide} px too wide`);
        }
      }
    }
  }
  await adaPage.setViewportSize({ width: 1440, height: 900 });
  assert.deepEqual(found, []);
});

test("older messages come page by page", async () => {
  const texts = Array.from({ length: 70 }, (_, at) => `page ${at}`);
  for (const text of texts) await bob.ask({ command: "send", channel: "#nearby", text });
  await goTo(bobPage, "Overview");
  await bobPage.reload();
  await openChannel(bobPage, /#nearby/);
  const log = bobPage.getByRole("log");
  await log.getByText("page 69", { exact: true }).waitFor();
  assert.equal(await log.getByText("Water at the school from five.").count(), 0);
  await log.getByRole("button", { name: "Older messages" }).click();
  await log.getByText("Water at the school from five.").waitFor();
  assert.equal(await log.getByText("page 69", { exact: true }).count(), 1);
});

test("nothing went wrong in the pages, and no other host was asked", () => {
  for (const [page, node] of [
    [adaPage, ada],
    [bobPage, bob],
  ]) {
    assert.deepEqual(page.troubles, []);
    assert.deepEqual([...page.hosts], [new URL(node.url).host]);
  }
});

test("the page is light, and there at once", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const bodies = [];
  page.on("response", (response) => response.ok() && bodies.push(response.body().catch(() => Buffer.alloc(0))));
  await page.goto(ada.url, { waitUntil: "networkidle" });
  const bytes = (await Promise.all(bodies)).reduce((sum, body) => sum + body.length, 0);
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
  console.log(`page weight ${bytes} bytes, not compressed; first paint after ${Math.round(paint)} ms`);
  assert.ok(bytes > 0 && bytes <= 300_000);
  await page.screenshot({ path: join(PICTURES, "login.png") });
  await context.close();
});

test("a wrong code is refused in words, and a used one does not work again", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(bob.url);
  const used = bob.lines.find((event) => event.type === "dashboard").code;
  assert.notEqual(used, bob.code);
  await page.getByLabel("Code").fill(used);
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByRole("alert").getByText("That is not the code.").waitFor();
  await context.close();
});

test("the end of the node is said", async () => {
  await bob.stop();
  await bobPage.getByText("The node has ended.").waitFor();
});
