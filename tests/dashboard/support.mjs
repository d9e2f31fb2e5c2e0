// Real nodes and a real browser.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const PICTURES = join(ROOT, "target/dashboard");
const PROGRAM = process.env.SOVEREIGN ?? join(ROOT, "target/debug/sovereign");
const BROWSER = process.env.CHROMIUM ?? "/usr/bin/chromium";

mkdirSync(PICTURES, { recursive: true });

/** A running node, its dashboard, and what it prints. */
export class Node {
  #waiting = [];
  lines = [];

  static async start(name, ...flags) {
    const node = new Node();
    node.data = mkdtempSync(join(tmpdir(), "sovereign-dashboard-"));
    const listen = ["--listen", "/ip4/127.0.0.1/tcp/0"];
    const quiet = ["--no-mdns", "--no-ble"];
    const args = ["node", "--json", "--data", node.data, "--name", name, "--log", "warn", ...listen, ...quiet, ...flags];
    node.process = spawn(PROGRAM, args, { stdio: ["ignore", "pipe", "inherit"] });
    createInterface({ input: node.process.stdout }).on("line", (line) => node.#heard(JSON.parse(line)));
    node.started = await node.wait((event) => event.type === "started");
    const { url, code } = await node.wait((event) => event.type === "dashboard");
    Object.assign(node, { url, code });
    return node;
  }

  #heard(event) {
    this.lines.push(event);
    if (event.type === "dashboard") this.code = event.code;
    this.#waiting = this.#waiting.filter(({ fits, resolve }) => !fits(event) || (resolve(event), false));
  }

  /** The first event, past or future, that fits. */
  wait(fits) {
    const past = this.lines.find(fits);
    if (past) return Promise.resolve(past);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ fits, resolve });
      this.process.once("exit", (code) => reject(new Error(`the node ended with ${code}`)));
    });
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
    if (this.process.exitCode === null) {
      this.process.kill("SIGTERM");
      await once(this.process, "exit");
    }
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
  await page.getByRole("navigation").waitFor();
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

export function counters(page) {
  return page.evaluate(async () => (await fetch("/api/counters")).json());
}
