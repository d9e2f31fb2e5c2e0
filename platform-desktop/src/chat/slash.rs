//! What can be typed at the prompt: text, or a command that begins with `/`.

/// A line that was typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// Nothing.
    Nothing,
    /// A message for the current channel.
    Text(String),
    /// `/help`
    Help,
    /// `/peers`
    Peers,
    /// `/channels`
    Channels,
    /// `/join LINK-OR-#NAME`
    Join(String),
    /// `/create NAME`
    Create(String),
    /// `/invite`: of a channel, or the current one
    Invite(Option<String>),
    /// `/leave CHANNEL`
    Leave(String),
    /// `/switch CHANNEL`
    Switch(String),
    /// `/history [N]`
    History(u32),
    /// `/name NAME`
    Name(String),
    /// `/status`
    Status,
    /// `/doctor`
    Doctor,
    /// `/quit`
    Quit,
    /// Something else with a slash; what to do instead.
    Wrong(String),
}

/// Every command: name, arguments, what it does.
const COMMANDS: [(&str, &str, &str); 13] = [
    ("/channels", "", "joined channels"),
    (
        "/create",
        "NAME",
        "a new channel: public as #NAME, otherwise private",
    ),
    ("/doctor", "", "why is nobody seen?"),
    ("/help", "", "this"),
    ("/history", "[N]", "the last N messages here (20)"),
    (
        "/invite",
        "[CHANNEL]",
        "the link that others join this channel with",
    ),
    ("/join", "LINK-OR-#NAME", "join a channel"),
    (
        "/leave",
        "CHANNEL",
        "leave a channel; its keys are destroyed",
    ),
    ("/name", "NAME", "change your name"),
    ("/peers", "", "who is near"),
    ("/quit", "", "end this node (Ctrl-C does, too)"),
    ("/status", "", "this node as a whole"),
    ("/switch", "CHANNEL", "talk in another channel"),
];
/// Commands whose argument is a joined channel.
const TAKE_CHANNEL: [&str; 3] = ["/switch", "/invite", "/leave"];
/// Messages that `/history` shows when it is not told how many.
const HISTORY: u32 = 20;

/// Reads a line.
pub(super) fn parse(line: &str) -> Typed {
    let line = line.trim();
    if line.is_empty() {
        return Typed::Nothing;
    }
    if let Some(text) = line.strip_prefix("//") {
        return Typed::Text(format!("/{text}"));
    }
    if !line.starts_with('/') {
        return Typed::Text(line.to_owned());
    }
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let with = |make: fn(String) -> Typed| {
        if rest.is_empty() {
            usage(word)
        } else {
            make(rest.to_owned())
        }
    };
    match word {
        "/help" => Typed::Help,
        "/peers" => Typed::Peers,
        "/channels" => Typed::Channels,
        "/status" => Typed::Status,
        "/doctor" => Typed::Doctor,
        "/quit" => Typed::Quit,
        "/join" => with(Typed::Join),
        "/create" => with(Typed::Create),
        "/leave" => with(Typed::Leave),
        "/switch" => with(Typed::Switch),
        "/name" => with(Typed::Name),
        "/invite" => Typed::Invite(Some(rest.to_owned()).filter(|rest| !rest.is_empty())),
        "/history" if rest.is_empty() => Typed::History(HISTORY),
        "/history" => match rest.parse() {
            Ok(count @ 1..=10_000) => Typed::History(count),
            _ => usage(word),
        },
        _ => Typed::Wrong(format!(
            "There is no command {word}. /help lists them; //… sends a text that begins with a slash."
        )),
    }
}

/// The text of `/help`.
pub(super) fn help() -> String {
    let mut lines = vec!["Type to talk. Commands:".to_owned()];
    for (name, arguments, does) in COMMANDS {
        lines.push(format!("  {:<22}  {does}", format!("{name} {arguments}")));
    }
    lines.push(
        "Of your messages: · kept here until somebody is near, ✓ handed on, ✓✓ a member has it."
            .to_owned(),
    );
    lines.join("\n")
}

/// What Tab offers: where the replaced part begins, and the candidates.
pub(super) fn complete(line: &str, channels: &[String]) -> (usize, Vec<String>) {
    let Some((word, rest)) = line.split_once(' ') else {
        let names = COMMANDS.iter().map(|(name, arguments, _)| {
            let gap = if arguments.is_empty() { "" } else { " " };
            format!("{name}{gap}")
        });
        let fits = names.filter(|name| line.starts_with('/') && name.starts_with(line));
        return (0, fits.collect());
    };
    if !TAKE_CHANNEL.contains(&word) {
        return (line.len(), Vec::new());
    }
    let fits = channels.iter().filter(|name| name.starts_with(rest));
    (word.len() + 1, fits.cloned().collect())
}

fn usage(word: &str) -> Typed {
    let arguments = COMMANDS
        .iter()
        .find(|(name, ..)| *name == word)
        .map_or("", |(_, arguments, _)| arguments);
    Typed::Wrong(format!("Usage: {word} {arguments}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        assert_eq!(parse("  "), Typed::Nothing);
        assert_eq!(parse(" hi /there "), Typed::Text("hi /there".into()));
        assert_eq!(parse("//etc/hosts"), Typed::Text("/etc/hosts".into()));
        assert_eq!(parse("/join  #a b "), Typed::Join("#a b".into()));
        assert_eq!(parse("/invite"), Typed::Invite(None));
        assert_eq!(parse("/invite x"), Typed::Invite(Some("x".into())));
        assert_eq!(parse("/history"), Typed::History(20));
        assert_eq!(parse("/history 5"), Typed::History(5));
        for wrong in ["/history 0", "/history x", "/join", "/nope", "/"] {
            assert!(matches!(parse(wrong), Typed::Wrong(_)), "{wrong}");
        }
    }

    #[test]
    fn every_command_in_the_help_is_understood() {
        for (name, ..) in COMMANDS {
            assert!(
                !matches!(parse(&format!("{name} 1")), Typed::Wrong(_)),
                "{name}"
            );
            assert!(help().contains(name));
        }
        assert!(COMMANDS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn tab_completes_commands_and_channels() {
        let channels = ["#nearby".to_owned(), "family".to_owned()];
        assert_eq!(complete("/j", &channels), (0, vec!["/join ".into()]));
        assert_eq!(complete("/s", &channels).1, ["/status", "/switch "]);
        assert_eq!(
            complete("/switch #", &channels),
            (8, vec!["#nearby".into()])
        );
        assert_eq!(complete("/switch ", &channels).1.len(), 2);
        assert!(complete("hel", &channels).1.is_empty());
        assert!(complete("/name f", &channels).1.is_empty());
    }
}
