//! The command line, as clap sees it. Names, JSON keys and exit codes are a contract.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, value_parser};
use clap_complete::Shell;
use sovereign_node::api::{MAX_NAME_INPUT, MAX_PATH};

const ABOUT: &str = "A mesh messenger that needs no Internet, router, account or server.";

const TEACH: &str = "\
Without a command, `sovereign` runs a node. On a terminal it asks for a name once, shows who is near
and lets you talk; otherwise it prints one line an event until it gets SIGINT or SIGTERM.
All other commands ask the node that runs on the same data directory.

Examples:
  sovereign                                  start, and talk to whoever is near in #nearby
  sovereign --data ./bob --name Bob          a second node on the same machine
  sovereign send '#nearby' 'Anyone there?'   write through the running node
  sovereign peers --watch                    who is near, live
  sovereign channel create family            a private channel; prints its invitation link
  sovereign channel join 'sovereign:invite/…'
  sovereign history '#nearby' --json | jq -r '.[].text'
  sovereign doctor                           why is nobody seen?

Exit codes: 0 done · 1 failed · 2 wrong usage · 3 no node is running on that data directory ·
4 the data directory is held by another node.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "sovereign", version, about = ABOUT, after_long_help = TEACH,
          after_help = "`sovereign --help` has examples.", propagate_version = true)]
pub(crate) struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// Flags of `node`, which is what runs without a command.
    #[command(flatten)]
    pub node: NodeArgs,
    /// What to do.
    #[command(subcommand)]
    pub action: Option<Action>,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Data directory; owner-only. Default: the platform's
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "SOVEREIGN_DATA",
        hide_env_values = true
    )]
    pub data: Option<PathBuf>,
    /// JSON on stdout instead of text for people; errors as JSON on stderr
    #[arg(long, global = true)]
    pub json: bool,
    /// What to log to stderr, e.g. `info` or `sovereign_node=debug`; wins over RUST_LOG
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,
}

/// Flags of `node`. `config` takes them too, and shows what they would do.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of a node")]
pub(crate) struct NodeArgs {
    /// Display name; on a terminal it is asked for once, at the first start
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// TOML configuration file; the environment wins over it, flags win over both
    #[arg(
        long,
        value_name = "FILE",
        env = "SOVEREIGN_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,
    /// Listen here; may be repeated. Default: TCP and QUIC on all interfaces, free ports
    #[arg(long, value_name = "MULTIADDR")]
    pub listen: Vec<String>,
    /// Do not announce or look on the local network (mDNS)
    #[arg(long)]
    pub no_mdns: bool,
    /// Do not advertise or look over Bluetooth LE
    #[arg(long)]
    pub no_ble: bool,
    /// No DHT (this build has none: accepted, without effect)
    #[arg(long)]
    pub no_dht: bool,
    /// Local web dashboard: a loopback address, port 0 for any free one. Default: 127.0.0.1:0
    #[arg(long, value_name = "ADDR|off")]
    pub dashboard: Option<String>,
}

impl NodeArgs {
    /// Whether any flag was given on the command line (the file may come from the environment).
    #[must_use]
    pub(crate) fn any_flag(&self) -> bool {
        self.name.is_some()
            || !self.listen.is_empty()
            || self.no_mdns
            || self.no_ble
            || self.no_dht
            || self.dashboard.is_some()
    }

    /// Flags before and after the word `node`, together; those after win.
    #[must_use]
    pub(crate) fn joined(self, after: Self) -> Self {
        let listen = if after.listen.is_empty() {
            self.listen
        } else {
            after.listen
        };
        Self {
            name: after.name.or(self.name),
            config: after.config.or(self.config),
            listen,
            no_mdns: self.no_mdns || after.no_mdns,
            no_ble: self.no_ble || after.no_ble,
            no_dht: self.no_dht || after.no_dht,
            dashboard: after.dashboard.or(self.dashboard),
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Run a node; on a terminal, with a live chat prompt (the default)
    #[command(after_long_help = "\
Examples:
  sovereign node
  sovereign node --data ./bob --name Bob --no-mdns --listen /ip4/127.0.0.1/tcp/4001
  sovereign node --json </dev/null | jq -r 'select(.type == \"message\") | .message.text'

SIGINT and SIGTERM end it cleanly; a second one ends it at once.")]
    Node(NodeArgs),
    /// The running node as a whole: ids, addresses, layers, store, counters
    Status,
    /// Who is near or linked
    Peers {
        /// Stay, and show changes as they happen
        #[arg(long)]
        watch: bool,
    },
    /// What happens in the running node, one line an event, until interrupted
    Events,
    /// Look for reasons why nobody is seen, and say what to do
    #[command(
        after_long_help = "Exits 1 if it finds a problem. Works without a running node, too."
    )]
    Doctor,
    /// Channels: create, join, leave, list, invite
    #[command(subcommand)]
    Channel(ChannelAction),
    /// Write a message; returns when it is durable here
    #[command(after_long_help = "\
Examples:
  sovereign send '#nearby' 'Water at the school gate'
  date | sovereign send family -

A CHANNEL is #NAME, a private channel's name, or its id (eight digits of it are enough).")]
    Send {
        /// Where: #NAME, name or id
        #[arg(value_parser = bounded(MAX_NAME_INPUT))]
        channel: String,
        /// What; `-` reads it from stdin
        #[arg(allow_hyphen_values = true)]
        text: String,
    },
    /// Messages of a channel, oldest first, in the order that is the same on every node
    History {
        /// Which: #NAME, name or id
        #[arg(value_parser = bounded(MAX_NAME_INPUT))]
        channel: String,
        /// The newest N only (1 to 10000)
        #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=10_000))]
        limit: Option<u32>,
        /// Only those after this message id
        #[arg(long, value_name = "ID", value_parser = bounded(64))]
        since: Option<String>,
    },
    /// Write bundles to a file, to be carried by hand
    Export {
        /// A new file
        #[arg(value_parser = value_parser!(PathBuf))]
        file: PathBuf,
        /// This channel's only; otherwise everything this node carries
        #[arg(long, value_parser = bounded(MAX_NAME_INPUT))]
        channel: Option<String>,
    },
    /// Read bundles from a file: the same as having met whoever wrote it
    Import {
        /// A file that `export` wrote
        file: PathBuf,
    },
    /// The effective configuration, and where each value came from
    #[command(after_long_help = "\
Order: default < --config FILE (TOML) < environment (SOVEREIGN_STORE_CAP_MIB=128) < flag.

Example:
  sovereign config --config node.toml --no-mdns
  sovereign config --json | jq '.\"store.cap_mib\".value'")]
    Config(NodeArgs),
    /// This node's identity: show, backup, restore, wipe
    #[command(subcommand)]
    Id(IdAction),
    /// Run whole worlds of nodes in virtual time: scenarios, reports
    #[command(
        disable_help_flag = true,
        after_long_help = "`sovereign sim --help` is the simulator's own."
    )]
    Sim {
        /// What the simulator is to do
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "run|view|list|…"
        )]
        arguments: Vec<OsString>,
    },
    /// A completion script for a shell
    #[command(after_long_help = "\
Example:
  sovereign completions bash > ~/.local/share/bash-completion/completions/sovereign")]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// The manual page, as roff on stdout
    #[command(after_long_help = "\
Examples:
  sovereign man | man -l -
  sovereign man --out ~/.local/share/man/man1")]
    Man {
        /// Write one page a command into this directory instead
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// `channel …`
#[derive(Debug, Subcommand)]
pub(crate) enum ChannelAction {
    /// Create a channel and print what others join with: public as #NAME, otherwise private
    Create {
        /// Its name; with a leading # it is public
        #[arg(value_parser = bounded(MAX_NAME_INPUT))]
        name: String,
    },
    /// Join by invitation link, or a public channel by #NAME
    Join {
        /// The link or #NAME
        #[arg(value_name = "LINK-OR-#NAME", value_parser = bounded(MAX_NAME_INPUT))]
        target: String,
    },
    /// Leave a channel; its keys are destroyed
    Leave {
        /// Which: #NAME, name or id
        #[arg(value_parser = bounded(MAX_NAME_INPUT))]
        channel: String,
    },
    /// All joined channels
    List,
    /// Print the invitation link. Whoever has it can read the channel from the present epoch (about a day) on
    Invite {
        /// Which: #NAME, name or id
        #[arg(value_parser = bounded(MAX_NAME_INPUT))]
        channel: String,
    },
}

/// `id …`
#[derive(Debug, Subcommand)]
pub(crate) enum IdAction {
    /// Name, identity key, mesh id and the fingerprint to compare aloud
    Show,
    /// Write an encrypted backup: identity, name and channel keys, no messages
    #[command(after_long_help = PASSPHRASE_HELP)]
    Backup {
        /// A new file
        file: PathBuf,
        /// How the passphrase comes
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Restore a backup into an empty data directory; no node may run there
    #[command(after_long_help = PASSPHRASE_HELP)]
    Restore {
        /// A file that `id backup` wrote
        file: PathBuf,
        /// How the passphrase comes
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Destroy this node: keys first, then everything else. There is no way back but a backup
    Wipe {
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

const PASSPHRASE_HELP: &str = "\
The passphrase is asked for on the terminal without being shown. Scripts give it in the environment
variable SOVEREIGN_PASSPHRASE or in a file; it is never taken from the command line, where others
could read it.";

/// How a passphrase comes in.
#[derive(Debug, Clone, Args)]
pub(crate) struct PassphraseArgs {
    /// Read the passphrase from the first line of this file
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

/// A parser for text of so many bytes at most.
fn bounded(max: usize) -> impl Fn(&str) -> Result<String, String> + Clone + Send + Sync + 'static {
    move |text| {
        if text.is_empty() {
            Err("is empty".to_owned())
        } else if text.len() > max {
            Err(format!("is longer than {max} bytes"))
        } else {
            Ok(text.to_owned())
        }
    }
}

/// An absolute path as the node takes it.
///
/// # Errors
/// In words: not UTF-8, too long, or there is no current directory.
pub(crate) fn absolute(path: &std::path::Path) -> Result<String, String> {
    let absolute = std::path::absolute(path).map_err(|error| error.to_string())?;
    let text = absolute
        .into_os_string()
        .into_string()
        .map_err(|_| "the path is not UTF-8".to_owned())?;
    if text.len() > MAX_PATH {
        return Err(format!("the path is longer than {MAX_PATH} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn node_is_the_default_and_its_flags_work_on_both_sides() {
        let cli = Cli::try_parse_from(["sovereign", "--name", "a", "--no-mdns"]).unwrap();
        assert!(cli.action.is_none() && cli.node.no_mdns);
        let cli = Cli::try_parse_from(["sovereign", "--no-mdns", "node", "--name", "b", "--json"])
            .unwrap();
        let Some(Action::Node(after)) = cli.action else {
            panic!("not node")
        };
        let joined = cli.node.joined(after);
        assert!(cli.global.json && joined.no_mdns);
        assert_eq!(joined.name.as_deref(), Some("b"));
    }

    #[test]
    fn global_flags_work_before_and_after_the_command() {
        for words in [
            ["sovereign", "--data", "/d", "--json", "status"],
            ["sovereign", "status", "--json", "--data", "/d"],
        ] {
            let cli = Cli::try_parse_from(words).unwrap();
            assert_eq!(cli.global.data, Some(PathBuf::from("/d")));
            assert!(cli.global.json);
        }
    }

    #[test]
    fn arguments_are_bounded() {
        let long = "x".repeat(MAX_NAME_INPUT + 1);
        assert!(Cli::try_parse_from(["sovereign", "channel", "create", &long]).is_err());
        assert!(Cli::try_parse_from(["sovereign", "channel", "create", &long[1..]]).is_ok());
        for limit in ["0", "10001", "-1", "x"] {
            assert!(Cli::try_parse_from(["sovereign", "history", "c", "--limit", limit]).is_err());
        }
        assert!(Cli::try_parse_from(["sovereign", "history", "c", "--limit", "10000"]).is_ok());
    }

    #[test]
    fn a_message_may_begin_with_a_hyphen() {
        let cli = Cli::try_parse_from(["sovereign", "send", "#c", "-5 degrees"]).unwrap();
        assert!(matches!(cli.action, Some(Action::Send { text, .. }) if text == "-5 degrees"));
        let cli = Cli::try_parse_from(["sovereign", "send", "#c", "-"]).unwrap();
        assert!(matches!(cli.action, Some(Action::Send { text, .. }) if text == "-"));
    }

    #[test]
    fn commands_of_later_rounds_are_absent() {
        for word in ["contact", "serve", "tools"] {
            assert!(Cli::try_parse_from(["sovereign", word]).is_err(), "{word}");
        }
        assert!(Cli::try_parse_from(["sovereign", "id", "qr"]).is_err());
    }
}
