import { useState } from "preact/hooks";
import { useFocus } from "../app";
import { logIn } from "../live";
import { enter } from "../state";

const WORDS = {
  wrong: "That is not the code. It works once: look at the terminal for the present one.",
  wait: "Too many tries. Wait a few seconds, then try again.",
  gone: "The node does not answer. Is it still running?",
};

export function Login() {
  const [code, setCode] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const field = useFocus<HTMLInputElement>();
  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy || code.trim() === "") return;
    setBusy(true);
    const outcome = await logIn(code);
    setBusy(false);
    if (outcome === "in") return enter();
    setProblem(WORDS[outcome]);
    setCode("");
    field.current?.focus();
  };
  return (
    <main class="alone">
      <form class="card login" onSubmit={submit}>
        <img src="/icon.svg" alt="" width="48" height="48" />
        <h1>Sovereign</h1>
        <p id="how">Type the code that the terminal shows beside this page's address. It proves that you are the one who started the node.</p>
        <label for="code">Code</label>
        <input
          id="code"
          ref={field}
          class="code"
          value={code}
          onInput={(event) => setCode(event.currentTarget.value)}
          placeholder="XXXX-XXXX"
          maxLength={20}
          autocomplete="off"
          autocapitalize="characters"
          spellcheck={false}
          aria-describedby="how problem"
          aria-invalid={problem !== ""}
        />
        <p id="problem" role="alert" class="problem">
          {problem}
        </p>
        <button type="submit" class="primary" disabled={busy}>
          Open
        </button>
      </form>
    </main>
  );
}
