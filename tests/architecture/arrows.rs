//! The arrows of the house (docs/architecture.md): which crate may depend on which, and which folder
//! may name which library. Read from `cargo metadata` and from the sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

/// Crate → the workspace crates that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("sovereign-protocol", &[]),
    ("sovereign-node", &["sovereign-protocol"]),
    ("sovereign-ffi", &["sovereign-node"]),
    (
        "sovereign-sim",
        &[
            "sovereign-dashboard",
            "sovereign-node",
            "sovereign-protocol",
            "web-time",
        ],
    ),
    // They stand in for crates from outside, and know nothing of ours.
    ("futures-timer", &[]),
    ("web-time", &[]),
    ("sovereign-dashboard", &["sovereign-node"]),
    ("sovereign", &["sovereign-dashboard", "sovereign-node"]),
];

/// What the deciding crate may never pull in, however indirectly it is offered.
const NO_IO_IN_PROTOCOL: &[&str] = &[
    "tokio",
    "libp2p",
    "sled",
    "mdns-sd",
    "getrandom",
    "rand",
    "async-std",
    "futures",
    "tracing",
    "socket2",
];

/// A library's path prefix → the only folder of `core/node/src` that may name it.
const ROOMS: &[(&str, &str)] = &[
    ("libp2p::", "adapters/p2p"),
    ("libp2p_", "adapters/p2p"),
    ("sled::", "adapters/store"),
    ("mdns_sd::", "adapters/mdns"),
    ("trouble_host::", "adapters/hci"),
    ("bt_hci::", "adapters/hci"),
    ("btleplug::", "adapters/bluez"),
    ("bluer::", "adapters/bluez"),
    ("age::", "backup"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a member lies in the workspace")
        .to_owned()
}

fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

/// Normal and build dependencies of each member.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let name = package["name"].as_str().expect("a name").to_owned();
            let dependencies = package["dependencies"]
                .as_array()
                .expect("dependencies")
                .iter()
                .filter(|dependency| dependency["kind"] != "dev")
                .map(|dependency| dependency["name"].as_str().expect("a name").to_owned())
                .collect();
            (name, dependencies)
        })
        .collect()
}

#[test]
fn crates_point_only_where_the_plan_lets_them() {
    let dependencies = dependencies();
    let members: BTreeSet<&String> = dependencies.keys().collect();
    let planned: BTreeSet<String> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        members
            .iter()
            .map(|name| (*name).clone())
            .collect::<BTreeSet<_>>(),
        planned,
        "a crate without a place in the plan"
    );
    for (name, allowed) in ARROWS {
        for dependency in dependencies[*name]
            .iter()
            .filter(|dependency| members.contains(dependency))
        {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{name} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn the_deciding_crate_has_no_way_to_do_anything() {
    for dependency in &dependencies()["sovereign-protocol"] {
        assert!(
            !NO_IO_IN_PROTOCOL.contains(&dependency.as_str()),
            "core/protocol must not depend on {dependency}"
        );
    }
    for (path, line) in lines("core/protocol/src") {
        for clock in [
            "SystemTime::now",
            "Instant::now",
            "thread_rng",
            "OsRng",
            "std::net",
            "std::fs",
        ] {
            assert!(
                !line.contains(clock),
                "{} reaches for {clock}",
                path.display()
            );
        }
    }
}

#[test]
fn each_library_is_named_in_its_own_room_and_no_adapter_uses_another() {
    let node = root().join("core/node/src");
    for (path, line) in lines("core/node/src") {
        let inside = path
            .strip_prefix(&node)
            .expect("below the node")
            .to_string_lossy()
            .replace('\\', "/");
        if line.trim_start().starts_with("//") {
            continue;
        }
        for (library, room) in ROOMS {
            assert!(
                !names(&line, library) || inside.starts_with(room),
                "{inside} names {library}: only {room} may"
            );
        }
        let adapter = inside
            .strip_prefix("adapters/")
            .and_then(|rest| rest.split(['/', '.']).next());
        if let Some(own) = adapter.filter(|own| *own != "mod")
            && let Some(used) = line.split("adapters::").nth(1)
        {
            let used = used
                .split([':', ';', ',', '{', ' '])
                .next()
                .unwrap_or_default();
            assert!(
                used.is_empty() || used == own,
                "adapter {own} uses adapter {used}: {line}"
            );
        }
    }
}

/// Whether a line names a library, and not something that ends like it.
fn names(line: &str, library: &str) -> bool {
    line.match_indices(library).any(|(at, _)| {
        !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
    })
}

fn lines(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the workspace") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "tests") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && path.file_name().is_none_or(|name| name != "tests.rs")
            {
                let text = std::fs::read_to_string(&path).expect("a source file");
                // Tests stand last in a file or in files of their own; they may use a neighbour's twin.
                let code = text
                    .lines()
                    .take_while(|line| !line.starts_with("#[cfg(test)]"));
                found.extend(code.map(|line| (path.clone(), line.to_owned())));
            }
        }
    }
    assert!(!found.is_empty());
    found
}
