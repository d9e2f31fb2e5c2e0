import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Chat } from "./pages/chat";
import { Home } from "./pages/home";
import { Login } from "./pages/login";
import { People } from "./pages/people";
import { Settings } from "./pages/settings";
import { Panel } from "./panel/panel";
import { Player } from "./play/page";
import { inView, linked, look, notice, open, page, panelOpen, shows, stage, status, unread, type Page } from "./state";
import { count, line } from "./text";

const PAGES: { id: Page; name: string; icon: ComponentChildren }[] = [
  { id: "home", name: "Overview", icon: <path d="M4 11 12 4l8 7v8a1 1 0 0 1-1 1h-5v-6h-4v6H5a1 1 0 0 1-1-1z" /> },
  { id: "chat", name: "Messages", icon: <path d="M4 5h16v11H9l-5 4z" /> },
  { id: "people", name: "People", icon: <path d="M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zm-6 9c0-4 2.500-6 6-6s6 2 6 6M16 4.500a3.500 3.500 0 0 1 0 6M17.500 14.500c2.200.7 3.500 2.500 3.500 5.500" /> },
  { id: "settings", name: "Settings", icon: <path d="M4 7h9M17 7h3M4 17h3M11 17h9M13 4.500v5M7 14.500v5" /> },
];

export function App() {
  if (stage.value === "starting") return <main class="alone" aria-busy="true" />;
  if (stage.value === "login") return <Login />;
  if (shows.value === "recording") return <Player />;
  return (
    <div class={open.value && page.value === "chat" ? "frame talking" : "frame"}>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <Header />
      <Nav />
      <main id="main" tabIndex={-1}>
        <Notices />
        {page.value === "home" && <Home />}
        {page.value === "chat" && <Chat />}
        {page.value === "people" && <People />}
        {page.value === "settings" && <Settings />}
      </main>
      {panelOpen.value && <Panel />}
    </div>
  );
}

function Header() {
  const name = status.value?.name;
  return (
    <header class="top">
      <img src="/icon.svg" alt="" width="28" height="28" />
      <span class="brand">Sovereign</span>
      {name !== undefined && <bdi class="who">{line(name)}</bdi>}
      <span class="sum">{linked.value > 0 ? `${count(linked.value, "peer", "peers")} linked` : "no links"}</span>
    </header>
  );
}

function Nav() {
  return (
    <nav aria-label="Pages">
      {PAGES.map(({ id, name, icon }) => (
        <button
          key={id}
          type="button"
          aria-current={page.value === id ? "page" : undefined}
          onClick={() => {
            page.value = id;
            inView();
            if (id === "home") void look().catch(() => undefined);
          }}
        >
          <svg viewBox="0 0 24 24" aria-hidden="true">
            {icon}
          </svg>
          <span>{name}</span>
          {id === "chat" && unread.value > 0 && (
            <span class="badge">
              {unread.value > 99 ? "99+" : unread.value}
              <span class="unseen"> unread</span>
            </span>
          )}
        </button>
      ))}
    </nav>
  );
}

/** What has to be said wherever a person is. */
export function Notices() {
  const gone = stage.value === "lost" || stage.value === "ended";
  const [who, again] =
    shows.value === "node" ? ["node", "Start it again, then reload this page."] : ["program", "Show the recording again, then open the new address."];
  const words = stage.value === "ended" ? `The ${who} has ended. ${again}` : `The connection to the ${who} was lost; trying again…`;
  return (
    <div role="status" class="notices">
      {gone && <p class="notice strong">{words}</p>}
      {!gone && notice.value && (
        <p class="notice">
          <span>{line(notice.value, 300)}</span>
          <button type="button" class="quiet" onClick={() => (notice.value = "")}>
            Dismiss
          </button>
        </p>
      )}
    </div>
  );
}

/** Puts the focus on an element when it appears. */
export function useFocus<T extends HTMLElement>() {
  const element = useRef<T>(null);
  useEffect(() => element.current?.focus(), []);
  return element;
}
