//! What people read: tables and lines. Programs read JSON instead.

mod event;
mod history;
mod status;
mod table;

use sovereign_node::api::{
    ChannelSummary, DoctorCheck, IdentityInfo, LinkWord, PeerInfo, PeerState,
};

pub(crate) use event::{event, name_or_id, short_peer};
pub(crate) use history::{history, live, tick};
pub(crate) use status::status;
pub(crate) use table::Table;

use crate::{
    config::{KEYS, Origin, Settings},
    output::Paint,
    text,
};

/// The word for a link, as in JSON.
#[must_use]
pub(crate) const fn link(link: LinkWord) -> &'static str {
    match link {
        LinkWord::Lan => "lan",
        LinkWord::Ble => "ble",
        LinkWord::Direct => "direct",
        LinkWord::Relay => "relay",
    }
}

/// The word for a peer's state, as in JSON.
#[must_use]
pub(crate) const fn peer_state(state: PeerState) -> &'static str {
    match state {
        PeerState::Seen => "seen",
        PeerState::Connecting => "connecting",
        PeerState::Connected => "connected",
        PeerState::Lost => "lost",
    }
}

/// Who is near.
#[must_use]
pub(crate) fn peers(peers: &[PeerInfo], paint: Paint) -> String {
    if peers.is_empty() {
        return "Nobody is near. `sovereign doctor` looks for reasons.".to_owned();
    }
    let mut table = Table::new(&["NAME", "STATE", "LINK", "RTT", "HEARD", "PEER"]);
    for peer in peers {
        let name = peer
            .name
            .as_deref()
            .map_or_else(|| "-".to_owned(), text::name);
        let trust = if peer.contact { "" } else { "?" };
        table.row([
            if name == "-" {
                name
            } else {
                format!("{name}{trust}")
            },
            peer_state(peer.state).to_owned(),
            link(peer.link).to_owned(),
            peer.rtt_ms.map_or_else(|| "-".to_owned(), rtt),
            ago(peer.age_s),
            text::line(&peer.transport_id),
        ]);
    }
    table.render(paint)
}

/// Joined channels.
#[must_use]
pub(crate) fn channels(channels: &[ChannelSummary], paint: Paint) -> String {
    if channels.is_empty() {
        return "No channel is joined. `sovereign channel join '#nearby'` joins one.".to_owned();
    }
    let mut table = Table::new(&["CHANNEL", "KIND", "MEMBERS", "UNREAD", "ID"]);
    for channel in channels {
        table.row([
            text::name(&channel.name),
            format!("{:?}", channel.kind).to_lowercase(),
            channel
                .members
                .map_or_else(|| "-".to_owned(), |n| n.to_string()),
            channel.unread.to_string(),
            text::line(&channel.id),
        ]);
    }
    table.render(paint)
}

/// Who this node is.
#[must_use]
pub(crate) fn identity(info: &IdentityInfo, paint: Paint) -> String {
    facts(
        &[
            ("name", text::name(&info.name)),
            ("fingerprint", paint.bold(&info.fingerprint)),
            ("mesh id", info.mesh_id.clone()),
            ("identity", info.identity.clone()),
            ("transport id", info.transport_id.clone()),
        ],
        paint,
    )
}

/// Findings.
#[must_use]
pub(crate) fn doctor(checks: &[DoctorCheck], paint: Paint) -> String {
    let mut lines = Vec::new();
    let width = checks
        .iter()
        .map(|check| check.check.len())
        .max()
        .unwrap_or(0);
    for check in checks {
        let sign = match check.result.as_str() {
            "ok" => paint.green("ok     "),
            "warning" => paint.yellow("warning"),
            _ => paint.red("PROBLEM"),
        };
        let name = text::pad(&text::line(&check.check), width);
        lines.push(format!("{sign}  {name}  {}", text::line(&check.message)));
        if let Some(hint) = &check.hint {
            let indent = " ".repeat(7 + 2 + width + 2);
            lines.push(format!(
                "{indent}{}",
                paint.dim(&format!("→ {}", text::line(hint)))
            ));
        }
    }
    lines.join("\n")
}

/// The effective configuration: value and origin, and below what the key means and takes.
#[must_use]
pub(crate) fn config(settings: &Settings, paint: Paint) -> String {
    let mut rows = vec![(
        "data",
        text::line(&settings.data.display().to_string()),
        settings.data_origin,
        "Data directory; owner-only. SOVEREIGN_DATA".to_owned(),
    )];
    for key in KEYS {
        let setting = settings.get(key);
        let value = text::line(&setting.value.to_string());
        let value = match setting.value {
            crate::config::Value::Number(_) => format!("{value} {}", key.unit),
            _ => value,
        };
        let meaning = format!("{}. Range: {}. {}", key.doc, key.allowed(), key.variable());
        rows.push((key.name, value, setting.origin, meaning));
    }
    let width = rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
    let lines: Vec<String> = rows
        .iter()
        .map(|(name, value, origin, meaning)| {
            let from = match origin {
                Origin::Default => paint.dim("default"),
                other => paint.yellow(other.word()),
            };
            format!(
                "{}  {}  ({from})\n  {}",
                paint.bold(&text::pad(name, width)),
                value,
                paint.dim(meaning)
            )
        })
        .collect();
    lines.join("\n")
}

/// `label  value` lines.
pub(crate) fn facts(facts: &[(&str, String)], paint: Paint) -> String {
    let width = facts
        .iter()
        .map(|(label, _)| label.len())
        .max()
        .unwrap_or(0);
    let lines: Vec<String> = facts
        .iter()
        .map(|(label, value)| format!("{}  {value}", paint.dim(&text::pad(label, width))))
        .collect();
    lines.join("\n")
}

/// A duration in seconds, roughly.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

fn rtt(ms: u32) -> String {
    if ms == 0 {
        "<1 ms".to_owned()
    } else {
        format!("{ms} ms")
    }
}

fn ago(seconds: u64) -> String {
    if seconds == 0 {
        "now".to_owned()
    } else {
        format!("{} ago", span(seconds))
    }
}

/// A size in bytes, with binary prefixes.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes.saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_are_round() {
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1024), "1.0 KiB");
        assert_eq!(size(64 * 1024 * 1024), "64.0 MiB");
        assert!(size(u64::MAX).ends_with("TiB"));
        assert_eq!(span(59), "59 s");
        assert_eq!(span(60), "1 min");
        assert_eq!(span(3600 + 60), "1 h 1 min");
        assert_eq!(span(86_400), "1 d 0 h");
    }

    #[test]
    fn a_peers_name_cannot_steer_the_terminal() {
        let peer = PeerInfo {
            transport_id: "12D3KooWx".into(),
            identity: None,
            name: Some("\u{1b}[2Jevil\u{202e}\nroot".into()),
            contact: false,
            link: LinkWord::Lan,
            state: PeerState::Connected,
            rssi_dbm: None,
            rtt_ms: Some(3),
            rank: 1,
            age_s: 0,
        };
        let shown = peers(&[peer], Paint { on: false });
        assert_eq!(shown.lines().count(), 2, "{shown}");
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'));
        assert!(shown.contains("connected  lan   3 ms"), "{shown}");
    }
}
