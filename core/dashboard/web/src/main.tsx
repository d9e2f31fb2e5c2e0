import { render } from "preact";
import { App } from "./app";
import { inView, look, shows, stage, start, togglePanel } from "./state";
import { applyTheme } from "./theme";
import "./style.css";
import "./play/play.css";

/** The status is looked at so often while the page is in view, in milliseconds. */
const LOOK = 5000;

applyTheme();
render(<App />, document.getElementById("app") as HTMLElement);
void start();

setInterval(() => {
  if (stage.value === "live" && shows.value === "node" && !document.hidden) void look().catch(() => undefined);
}, LOOK);
document.addEventListener("visibilitychange", inView);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey && event.shiftKey && event.code === "KeyD" && stage.value !== "login" && shows.value === "node") {
    event.preventDefault();
    togglePanel();
  }
});
