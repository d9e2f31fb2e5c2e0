//! The node as a whole.

use sovereign_node::api::Status;

use super::{facts, size, span};
use crate::{output::Paint, text};

/// As lines of facts.
#[must_use]
pub(crate) fn status(status: &Status, paint: Paint) -> String {
    let network = match status.network.as_str() {
        "local" => paint.green("local"),
        other => paint.yellow(&text::line(other)),
    };
    let store = format!(
        "{} messages, {} bundles ({} carried for others), {}{}",
        status.store.messages,
        status.store.bundles,
        status.store.carried_bundles,
        size(status.store.bytes),
        if status.store.read_only {
            paint.red("  read-only: damaged")
        } else {
            String::new()
        }
    );
    let mut lines = vec![
        ("name", text::name(&status.name)),
        ("fingerprint", paint.bold(&text::line(&status.fingerprint))),
        ("mesh id", text::line(&status.mesh_id)),
        ("identity", text::line(&status.identity)),
        (
            "transport id",
            format!(
                "{}  {}",
                text::line(&status.transport_id),
                paint.dim(&text::line(&status.mode))
            ),
        ),
        ("network", network),
        ("peers", format!("{} linked", status.peers)),
        ("channels", status.channels.to_string()),
        ("store", store),
        ("up", span(status.uptime_s)),
    ];
    for (number, address) in status.listen.iter().enumerate() {
        let label = if number == 0 { "listen" } else { "" };
        // The transport id stands above.
        let short = address.split("/p2p/").next().unwrap_or(address);
        lines.push((label, text::line(short)));
    }
    for (number, (name, layer)) in status.layers.iter().enumerate() {
        let label = if number == 0 { "layers" } else { "" };
        let reason = layer.reason.as_deref().map(text::line).unwrap_or_default();
        let state = match layer.state.as_str() {
            "on" => paint.green("on"),
            "failed" => paint.red("failed"),
            other => text::line(other),
        };
        let line = format!("{} {state}  {}", text::line(name), paint.dim(&reason));
        lines.push((label, line.trim_end().to_owned()));
    }
    for (number, (name, count)) in status.counters.iter().filter(|(_, n)| **n > 0).enumerate() {
        let label = if number == 0 { "counters" } else { "" };
        lines.push((label, format!("{} {count}", text::line(name))));
    }
    facts(&lines, paint)
}
