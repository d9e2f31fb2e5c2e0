import { useState } from "preact/hooks";
import { logOut } from "../live";
import { ask, attempt, look, settings, status, togglePanel, version } from "../state";
import { duration, line } from "../text";
import { setTheme, theme, type Theme } from "../theme";

const FROM = { default: "built in", file: "file", env: "environment", flag: "command line" };

export function Settings() {
  const now = status.value;
  return (
    <div class="stack narrow">
      <h1 class="unseen">Settings</h1>
      {now && <Name now={now.name} />}
      <Look />
      {now && (
        <section class="card" aria-labelledby="self">
          <h2 id="self">This node</h2>
          <dl class="facts long">
            <dt>Fingerprint, to compare aloud</dt>
            <dd class="mono">{line(now.fingerprint, 200)}</dd>
            <dt>Identity</dt>
            <dd class="mono">{line(now.identity, 200)}</dd>
            <dt>Present key on the network</dt>
            <dd class="mono">{line(now.transport_id, 200)}</dd>
            <dt>Listens on</dt>
            <dd class="mono">
              {now.listen.length === 0 ? "nothing" : now.listen.map((at) => <div key={at}>{line(at.split("/p2p/")[0] ?? at, 200)}</div>)}
            </dd>
            <dt>Runs for</dt>
            <dd>{duration(now.uptime_s)}</dd>
            <dt>Version</dt>
            <dd>{line(version.value)}</dd>
          </dl>
        </section>
      )}
      <section class="card" aria-labelledby="config">
        <h2 id="config">Configuration</h2>
        <p class="dim">To change it, edit the configuration file or the command line, and start the node again.</p>
        <div class="scroll" tabIndex={0} role="region" aria-labelledby="config">
          <table>
            <thead>
              <tr>
                <th scope="col">Setting</th>
                <th scope="col">Value</th>
                <th scope="col">From</th>
              </tr>
            </thead>
            <tbody>
              {settings.value.map((one) => (
                <tr key={one.key}>
                  <th scope="row">
                    <span class="mono">{line(one.key)}</span>
                    <span class="doc">{line(one.doc, 200)}</span>
                  </th>
                  <td>{line(one.value, 200)}</td>
                  <td>{FROM[one.from] ?? line(one.from)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
      <section class="card row" aria-labelledby="more">
        <h2 id="more">More</h2>
        <button type="button" onClick={() => togglePanel()}>
          Developer panel <kbd>Ctrl+Shift+D</kbd>
        </button>
        <button type="button" onClick={() => void logOut()}>
          Close this dashboard in this browser
        </button>
      </section>
    </div>
  );
}

function Name({ now }: { now: string }) {
  const [name, setName] = useState(now);
  const [done, setDone] = useState(false);
  const save = async (event: Event) => {
    event.preventDefault();
    setDone(
      await attempt(async () => {
        await ask({ command: "set_name", name }, "done");
        await look();
      }),
    );
  };
  return (
    <section class="card" aria-labelledby="you">
      <h2 id="you">Your name</h2>
      <form class="row" onSubmit={save}>
        <label class="grow">
          <span class="unseen">Name, as others see it</span>
          <input
            value={name}
            maxLength={64}
            onInput={(event) => {
              setName(event.currentTarget.value);
              setDone(false);
            }}
          />
        </label>
        <button type="submit" disabled={name.trim() === "" || name === now}>
          Save
        </button>
      </form>
      <p class="dim" role="status">
        {done ? "Saved." : "Others see it beside what you write. Nobody checks it."}
      </p>
    </section>
  );
}

function Look() {
  const [chosen, setChosen] = useState<Theme>(theme());
  return (
    <section class="card" aria-labelledby="look">
      <h2 id="look">Appearance</h2>
      <label class="row">
        Colours
        <select
          value={chosen}
          onChange={(event) => {
            const next = event.currentTarget.value as Theme;
            setChosen(next);
            setTheme(next);
          }}
        >
          <option value="system">as the system</option>
          <option value="light">light</option>
          <option value="dark">dark</option>
        </select>
      </label>
    </section>
  );
}
