// Real nodes and a real browser.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const PICTURES = join(ROOT, "target/dashboard");
export const PROGRAM = process.env.SOVEREIGN ?? join(ROOT, "target/debug/sovereign");
const BROWSER = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** The text of axe-core, to be put into a page. */
export const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

mkdirSync(PICTURES, { recursive: true });

/** A running program that serves a dashboard, and what it prints. */
class Program {
  #waiting = [];
  lines = [];

  constructor(args) {
    this.process = spawn(PROGRAM, args, { stdio: ["ignore", "pipe", "inherit"] });
    createInterface({ input: this.process.stdout }).on("line", (line) => this.#heard(JSON.parse(line)));
  }

  #heard(event) {
    this.lines.push(event);
    if (event.type === "dashboard") Object.assign(this, { url: event.url, code: event.code });
    this.#waiting = this.#waiting.filter(({ fits, resolve }) => !fits(event) || (resolve(event), false));
  }

  /** The first event, past or future, that fits. */
  wait(fits) {
    const past = this.lines.find(fits);
    if (past) return Promise.resolve(past);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ fits, resolve });
      this.process.once("exit", (code) => reject(new Error(`the program ended with ${code}`)));
    });
  }

  /** Ends it; its exit code. */
  async stop(signal = "SIGTERM") {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill(signal);
      await once(this.process, "exit");
    }
    return this.process.exitCode;
  }
}

/** A simulation to be looked at: `sovereign sim view …`. */
export class View extends Program {
  static async start(...what) {
    const view = new View(["sim", "view", "--json", ...what]);
    await view.wait((event) => event.type === "dashboard");
    return view;
  }
}

/** A running node. */
export class Node extends Program {
  static async start(name, ...flags) {
    const data = mkdtempSync(join(tmpdir(), "sovereign-dashboard-"));
    const listen = ["--listen", "/ip4/127.0.0.1/tcp/0"];
    const quiet = ["--no-mdns", "--no-ble"];
    const node = new Node(["node", "--json", "--data", data, "--name", name, "--log", "warn", ...listen, ...quiet, ...flags]);
    node.data = data;
    node.started = await node.wait((event) => event.type === "started");
    await node.wait((event) => event.type === "dashboard");
    return node;
  }

  /** Asks over the control socket. */
  ask(command) {
    return new Promise((resolve, reject) => {
      const socket = connect(join(this.data, "control.sock"));
      socket.once("error", reject);
      createInterface({ input: socket }).once("line", (line) => {
        socket.end();
        const { ok, error } = JSON.parse(line);
        if (ok) resolve(ok.value);
        else reject(new Error(error.message));
      });
      socket.write(`${JSON.stringify(command)}\n`);
    });
  }

  async dial(other) {
    const { listen } = await other.ask({ command: "status" });
    const up = this.wait((event) => event.type === "link_up");
    await this.ask({ command: "dial", address: listen[0] });
    await up;
  }

  async stop() {
    await super.stop();
    rmSync(this.data, { recursive: true, force: true });
  }
}

export function launch() {
  // Sandboxing needs what containers and root do not have; only pages of our own are opened.
  return chromium.launch({ executablePath: BROWSER, args: ["--no-sandbox", "--disable-gpu", "--force-prefers-reduced-motion"] });
}

/** A page that is logged in. What goes wrong in it is kept in `page.troubles`. */
export async function open(browser, node, script) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  context.setDefaultTimeout(15_000);
  if (script) await context.addInitScript(script);
  const page = await context.newPage();
  page.troubles = [];
  page.hosts = new Set();
  page.on("console", (message) => message.type() === "error" && page.troubles.push(message.text()));
  page.on("pageerror", (error) => page.troubles.push(String(error)));
  page.on("request", (request) => page.hosts.add(new URL(request.url()).host));
  await page.goto(node.url);
  const used = node.code;
  await page.getByLabel("Code").fill(used);
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByRole("main").and(page.locator("#main")).waitFor();
  // The next page needs the next code.
  await node.wait((event) => event.type === "dashboard" && event.code !== used);
  return page;
}

export async function goTo(page, name) {
  await page.getByRole("navigation").getByRole("button", { name }).click();
}

export async function openChannel(page, name) {
  await goTo(page, "Messages");
  await page.getByRole("region", { name: "Channels" }).getByRole("button", { name }).click();
  await page.getByRole("log").waitFor();
}

export async function send(page, text) {
  await page.getByLabel(/Write a message/).fill(text);
  await page.getByRole("button", { name: "Send", exact: true }).click();
}

/** What is on the page has been painted: a canvas is drawn in the frame after the one that made room for it. */
export function painted(page) {
  return page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)))));
}

/** What axe finds that is serious; `where` says on which page. */
export async function check(page, where) {
  const { passes, violations } = await page.evaluate(() => globalThis.axe.run(document));
  assert.ok(passes.length >= 10, `${where}: axe checked ${passes.length} rules only`);
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${where}: ${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
}

export function counters(page) {
  return page.evaluate(async () => (await fetch("/api/counters")).json());
}
