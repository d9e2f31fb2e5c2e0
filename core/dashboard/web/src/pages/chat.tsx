import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { HistoryEntry } from "../api";
import { ask, attempt, channels, closeChannel, conversation, lookChannels, older, open, openChannel } from "../state";
import { block, clock, count, line, short } from "../text";
import { MARKS } from "../words";

/** The node takes so many bytes of text. */
const MAX_TEXT = 12_000;

export function Chat() {
  return (
    <div class="chat">
      <Channels />
      {open.value ? (
        <Conversation key={open.value} />
      ) : (
        <section class="card talk">
          <p class="empty">Choose a channel, or join one.</p>
        </section>
      )}
    </div>
  );
}

function Channels() {
  return (
    <section class="card list" aria-labelledby="channels">
      <h1 id="channels">Channels</h1>
      <ul>
        {channels.value.map((channel) => (
          <li key={channel.id}>
            <button
              type="button"
              aria-current={open.value === channel.id ? "true" : undefined}
              onClick={() => void attempt(() => openChannel(channel.id))}
            >
              <bdi class="name">{line(channel.name)}</bdi>
              <span class="more">
                {channel.kind === "public" ? "public" : "private"}
                {channel.members !== undefined && ` · ${count(channel.members, "writer", "writers")}`}
              </span>
              {channel.unread > 0 && (
                <span class="badge">
                  {channel.unread > 99 ? "99+" : channel.unread}
                  <span class="unseen"> unread</span>
                </span>
              )}
            </button>
          </li>
        ))}
      </ul>
      <NewChannel />
    </section>
  );
}

function NewChannel() {
  const [text, setText] = useState("");
  const isLink = text.trim().startsWith("sovereign:");
  const isPublic = text.trim().startsWith("#");
  const submit = async (event: Event) => {
    event.preventDefault();
    const wanted = text.trim();
    if (wanted === "") return;
    const done = await attempt(async () => {
      const command =
        isLink || isPublic
          ? ({ command: "channel_join", target: wanted } as const)
          : ({ command: "channel_create", name: wanted } as const);
      const { value } = await ask(command, "channel");
      await lookChannels();
      await openChannel(value.id);
    });
    if (done) setText("");
  };
  return (
    <form class="new" onSubmit={submit}>
      <label for="new">Join or create a channel</label>
      <div class="row">
        <input
          id="new"
          value={text}
          maxLength={512}
          aria-describedby="newhint"
          placeholder="#street, a link, or a name"
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="submit" disabled={text.trim() === ""}>
          {isLink || isPublic ? "Join" : "Create"}
        </button>
      </div>
      <p id="newhint" class="dim">
        With # it is public: whoever knows the name reads along. Without, it is private and by invitation.
      </p>
    </form>
  );
}

function Conversation() {
  const id = open.value ?? "";
  const channel = channels.value.find((one) => one.id === id);
  const talk = conversation.value;
  const log = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const height = useRef(0);
  const first = talk?.entries[0]?.id;
  const lastFirst = useRef(first);
  useLayoutEffect(() => {
    const element = log.current;
    if (!element) return;
    // What was being read stays where it is when older messages come before it.
    if (first !== lastFirst.current && !atEnd.current) element.scrollTop += element.scrollHeight - height.current;
    else if (atEnd.current) element.scrollTop = element.scrollHeight;
    lastFirst.current = first;
    height.current = element.scrollHeight;
  }, [talk]);
  const scrolled = () => {
    const element = log.current;
    if (element) atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
  };
  return (
    <section class="card talk" aria-labelledby="talk">
      <div class="head">
        <button type="button" class="quiet back" onClick={closeChannel} aria-label="Back to the channels">
          ‹
        </button>
        <h2 id="talk">
          <bdi>{channel ? line(channel.name) : "…"}</bdi>
        </h2>
        {channel && <Actions channel={channel.id} name={channel.name} isPublic={channel.kind === "public"} />}
      </div>
      <div class="log" ref={log} onScroll={scrolled} tabIndex={0} role="log" aria-label="Messages" aria-live="polite">
        {talk?.more && (
          <button type="button" class="quiet older" onClick={() => void attempt(older)}>
            Older messages
          </button>
        )}
        {talk?.entries.map((entry) => <Entry key={entry.id} entry={entry} />)}
        {talk && talk.entries.length === 0 && <p class="empty">Nothing has been said here yet.</p>}
      </div>
      <Composer channel={id} onSent={() => (atEnd.current = true)} />
    </section>
  );
}

function Entry({ entry }: { entry: HistoryEntry }) {
  const mark = MARKS[entry.state];
  return (
    <article class={entry.own ? "entry own" : "entry"}>
      <header>
        <bdi class="author" title={`Key ${entry.author}`}>
          {entry.own ? "You" : line(entry.name ?? short(entry.author), 40)}
        </bdi>
        <time dateTime={entry.sent_at} title="By the sender's clock">
          {clock(entry.sent_at)}
        </time>
        {entry.own && mark.mark && (
          <span class={`mark ${entry.state}`} title={mark.words}>
            <span aria-hidden="true">{mark.mark}</span>
            <span class="unseen">{mark.words}</span>
          </span>
        )}
      </header>
      <p dir="auto">{block(entry.text)}</p>
    </article>
  );
}

function Composer({ channel, onSent }: { channel: string; onSent(): void }) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const size = new TextEncoder().encode(text).length;
  const send = async () => {
    if (busy || text.trim() === "" || size > MAX_TEXT) return;
    setBusy(true);
    onSent();
    const done = await attempt(() => ask({ command: "send", channel, text }, "sent"));
    setBusy(false);
    if (done) setText("");
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <label class="grow">
        <span class="unseen">Write a message. Enter sends it, Shift and Enter begins a new line.</span>
        <textarea
          rows={text.includes("\n") ? 4 : 1}
          value={text}
          dir="auto"
          placeholder="Write a message"
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
              event.preventDefault();
              void send();
            }
          }}
        />
      </label>
      <button type="submit" class="primary" disabled={busy || text.trim() === "" || size > MAX_TEXT}>
        Send
      </button>
      {size > MAX_TEXT && (
        <p role="alert" class="problem">
          Too long by {count(size - MAX_TEXT, "byte", "bytes")}.
        </p>
      )}
    </form>
  );
}

function Actions({ channel, name, isPublic }: { channel: string; name: string; isPublic: boolean }) {
  const [link, setLink] = useState<string | undefined>(undefined);
  const dialog = useRef<HTMLDialogElement>(null);
  const leaving = useRef<HTMLDialogElement>(null);
  const invite = () =>
    attempt(async () => {
      setLink((await ask({ command: "channel_invite", channel }, "channel")).value.link);
      dialog.current?.showModal();
    });
  const leave = () =>
    attempt(async () => {
      await ask({ command: "channel_leave", channel }, "done");
      leaving.current?.close();
      closeChannel();
      await lookChannels();
    });
  return (
    <div class="actions">
      <button type="button" onClick={() => void invite()}>
        Invite
      </button>
      <button type="button" onClick={() => leaving.current?.showModal()}>
        Leave
      </button>
      <dialog ref={dialog} aria-labelledby="invite">
        <h2 id="invite">Invite to {line(name)}</h2>
        <p>
          {isPublic
            ? "Whoever knows this name can read and write here."
            : "Whoever has this link can read the channel from now on. Send it over something you trust."}
        </p>
        <textarea class="mono" readOnly rows={4} value={link ?? ""} aria-label="Invitation link" onFocus={(event) => event.currentTarget.select()} />
        <form method="dialog" class="row end">
          <button type="button" onClick={() => void navigator.clipboard?.writeText(link ?? "")}>
            Copy
          </button>
          <button class="primary">Done</button>
        </form>
      </dialog>
      <dialog ref={leaving} aria-labelledby="leave">
        <h2 id="leave">Leave {line(name)}?</h2>
        <p>Its keys are destroyed on this device. {isPublic ? "You can join again by its name." : "You come back by invitation only."}</p>
        <form method="dialog" class="row end">
          <button class="primary">Stay</button>
          <button type="button" class="danger" onClick={() => void leave()}>
            Leave
          </button>
        </form>
      </dialog>
    </div>
  );
}
