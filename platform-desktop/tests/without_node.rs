//! The program where no node runs: exit codes, usage, configuration, restore, wipe.

#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, os::unix::fs::PermissionsExt as _};

use support::{keys, program, run, run_on};

#[test]
fn no_node_is_exit_3() {
    let data = tempfile::tempdir().unwrap();
    let asking: [&[&str]; 11] = [
        &["status"],
        &["peers"],
        &["peers", "--watch"],
        &["events"],
        &["channel", "list"],
        &["channel", "join", "#a"],
        &["send", "#a", "text"],
        &["history", "#a"],
        &["export", "/nonexistent/x"],
        &["import", "/nonexistent/x"],
        &["id", "show"],
    ];
    for arguments in asking {
        let people = run_on(data.path(), arguments);
        assert_eq!(people.code, 3, "{arguments:?} {people:?}");
        assert!(people.err.contains("hint:"), "{people:?}");
        let json = run_on(data.path(), &[arguments, &["--json"]].concat());
        assert_eq!((json.code, json.error_kind().as_str()), (3, "not_running"));
    }
    let none = data.path().join("none");
    assert_eq!(run_on(&none, &["status"]).code, 3);
    assert!(!none.exists(), "a question makes no directory");
}

#[test]
fn a_socket_left_by_a_killed_node_is_exit_3() {
    let data = tempfile::tempdir().unwrap();
    drop(std::os::unix::net::UnixListener::bind(data.path().join("control.sock")).unwrap());
    assert_eq!(run_on(data.path(), &["status"]).code, 3);
}

#[test]
fn wrong_usage_is_exit_2_on_stderr() {
    let wrong: [&[&str]; 9] = [
        &["nonsense"],
        &["--nonsense"],
        &["send", "#a"],
        &["send", "", "x"],
        &["history", "#a", "--limit", "0"],
        &["channel"],
        &["--name", "x", "status"],
        &["--dashboard", "0.0.0.0:0", "config"],
        &["status", "--log", "x=loud"],
    ];
    for arguments in wrong {
        let people = run(arguments);
        assert_eq!(
            (people.code, people.out.as_str()),
            (2, ""),
            "{arguments:?} {people:?}"
        );
        assert!(!people.err.is_empty() && !people.err.contains("{\"error\""));
        let json = run([arguments, &["--json"]].concat());
        assert_eq!(
            (json.code, json.error_kind().as_str()),
            (2, "invalid"),
            "{arguments:?}"
        );
    }
}

#[test]
fn help_teaches_and_is_exit_0() {
    for arguments in [
        &["--help"][..],
        &["help"],
        &["send", "--help"],
        &["--json", "--help"],
    ] {
        let help = run(arguments);
        assert_eq!((help.code, help.err.as_str()), (0, ""));
        assert!(help.out.contains("xamples:"), "{arguments:?}");
    }
    let help = run(["--help"]);
    for word in [
        "Exit codes: 0 done",
        "SOVEREIGN_DATA",
        "--no-mdns",
        "doctor",
    ] {
        assert!(help.out.contains(word), "{word}");
    }
    assert!(run(["--version"]).out.starts_with("sovereign "));
}

#[test]
fn layers_that_are_absent_can_be_switched_off() {
    let off = [
        "config",
        "--no-ble",
        "--no-dht",
        "--no-mdns",
        "--dashboard",
        "off",
        "--json",
    ];
    let config = run(off).json();
    assert_eq!(config["local.mdns"]["value"], false);
    assert_eq!(config["local.mdns"]["from"], "flag");
}

#[test]
fn config_shows_every_value_and_its_origin() {
    // OPS-1.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("node.toml");
    fs::write(&file, "[store]\ncap_mib = 5\n[lan]\nlinks = 7\n").unwrap();
    let output = program(["config", "--json", "--name", "Ann", "--config"])
        .arg(&file)
        .env("SOVEREIGN_LAN_LINKS", "9")
        .env("SOVEREIGN_DATA", dir.path())
        .output()
        .unwrap();
    let config = support::Run::of(output).json();
    let shown = |key: &str| (config[key]["value"].clone(), config[key]["from"].clone());
    assert_eq!(shown("store.cap_mib"), (5.into(), "file".into()));
    assert_eq!(shown("lan.links"), (9.into(), "env".into()));
    assert_eq!(shown("name"), ("Ann".into(), "flag".into()));
    assert_eq!(shown("gossip.enabled"), (true.into(), "default".into()));
    assert_eq!(config["data"]["from"], "env");
    let every = [
        "default", "doc", "from", "range", "unit", "value", "variable",
    ];
    assert_eq!(keys(&config["store.cap_mib"]), every);
    let people = run(["config", "--data", "/d"]);
    assert!(
        people.out.contains("store.cap_mib    64 MiB  (default)"),
        "{}",
        people.out
    );
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("node.toml");
    for (text, words) in [
        (
            "\nstore.cap_mib = 0\n",
            &["node.toml:2:", "store.cap_mib", "1 to 1048576 MiB"][..],
        ),
        (
            "name = 'a'\nloca.mdns = true\n",
            &["node.toml:2:", "loca", "unknown key"],
        ),
        (
            "[local]\nmdns = 'no'\n",
            &["node.toml:2:", "local.mdns", "true or false"],
        ),
        ("dht.k = 20\n", &["node.toml:1:", "dht", "unknown key"]),
    ] {
        fs::write(&file, text).unwrap();
        let output = program(["config", "--config"]).arg(&file).output().unwrap();
        let refused = support::Run::of(output);
        assert_eq!(refused.code, 2);
        for word in words {
            assert!(refused.err.contains(word), "{word}: {}", refused.err);
        }
    }
    let refused = support::Run::of(
        program(["node"])
            .env("SOVEREIGN_LAN_LINKS", "many")
            .output()
            .unwrap(),
    );
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("SOVEREIGN_LAN_LINKS"),
        "{}",
        refused.err
    );
}

#[test]
fn doctor_works_without_a_node() {
    // APP-7.
    let data = tempfile::tempdir().unwrap();
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let doctor = run_on(data.path(), &["doctor", "--json"]);
    let checks = doctor.json();
    let result = |name: &str| {
        let all = checks.as_array().unwrap();
        all.iter()
            .find(|c| c["check"] == name)
            .map(|c| c["result"].as_str().unwrap().to_owned())
    };
    assert_eq!(result("data").as_deref(), Some("ok"));
    assert_eq!(result("node").as_deref(), Some("warning"));
    assert!(
        result("interfaces").is_some() && result("clock").is_some() && result("disk").is_some()
    );
    let sick = checks
        .as_array()
        .unwrap()
        .iter()
        .any(|check| check["result"] == "problem");
    assert_eq!(doctor.code, i32::from(sick));
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let open = run_on(data.path(), &["doctor", "--json"]);
    assert_eq!(
        open.code, 1,
        "a directory that others can read is a problem"
    );
}

#[test]
fn completions_and_pages_come_from_the_definition() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(["completions", shell]);
        assert_eq!(script.code, 0);
        assert!(script.out.contains("sovereign") && script.out.contains("no-mdns"));
    }
    assert!(run(["man"]).out.contains(".TH sovereign 1"));
    let dir = tempfile::tempdir().unwrap();
    let out = program(["man", "--out"]).arg(dir.path()).output().unwrap();
    assert!(out.status.success());
    assert!(dir.path().join("sovereign-send.1").exists());
}

#[test]
fn output_that_nobody_reads_is_no_error() {
    let mut child = program(["completions", "bash"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
}

#[test]
fn restore_refuses_what_it_cannot_use() {
    // ID-1.
    let dir = tempfile::tempdir().unwrap();
    let photo = dir.path().join("photo.jpg");
    fs::write(&photo, b"\xff\xd8\xff").unwrap();
    let restore = |file: &str, data: &str| {
        let output = program(["id", "restore", file, "--json", "--data", data])
            .env("SOVEREIGN_PASSPHRASE", "correct horse")
            .output()
            .unwrap();
        let run = support::Run::of(output);
        (run.code, run.error_kind())
    };
    let photo = photo.to_str().unwrap();
    let fresh = dir.path().join("fresh");
    let fresh = fresh.to_str().unwrap();
    assert_eq!(restore(photo, fresh), (1, "bad_file".into()));
    assert_eq!(restore("/nonexistent/file", fresh), (1, "not_found".into()));
    assert_eq!(
        restore(photo, dir.path().to_str().unwrap()),
        (1, "exists".into())
    );
    let without = run_on(
        &dir.path().join("fresh"),
        &["id", "restore", photo, "--json"],
    );
    assert_eq!(
        (without.code, without.error_kind().as_str()),
        (2, "invalid")
    );
    assert!(!dir.path().join("fresh").exists(), "nothing was made");
}

#[test]
fn a_backup_is_restored_and_wiped() {
    // ID-1, ID-8.
    let dir = tempfile::tempdir().unwrap();
    let backup = sovereign_node::backup::Backup {
        identity_seed: [7; 32].into(),
        name: "Ann\u{1b}[2J".into(),
        channels: vec![],
    };
    let sealed = sovereign_node::backup::seal(&backup, "correct horse").unwrap();
    let file = dir.path().join("b.age");
    sovereign_node::backup::write_file(&file, &sealed).unwrap();
    let secret = dir.path().join("secret");
    fs::write(&secret, "correct horse\n").unwrap();
    let data = dir.path().join("data");
    let paths: Vec<&str> = [&file, &secret].map(|path| path.to_str().unwrap()).to_vec();

    let wrong = program(["id", "restore", paths[0], "--json", "--data"])
        .arg(&data)
        .env("SOVEREIGN_PASSPHRASE", "battery staple")
        .output()
        .unwrap();
    let wrong = support::Run::of(wrong);
    assert_eq!(
        (wrong.code, wrong.error_kind().as_str()),
        (1, "wrong_passphrase")
    );

    let restored = run_on(
        &data,
        &["id", "restore", paths[0], "--passphrase-file", paths[1]],
    );
    assert_eq!(restored.code, 0, "{restored:?}");
    assert!(restored.out.contains("Ann") && !restored.out.contains('\u{1b}'));
    assert_eq!(
        fs::metadata(&data).unwrap().permissions().mode() & 0o777,
        0o700
    );

    let unasked = run_on(&data, &["id", "wipe", "--json"]);
    assert_eq!(
        (unasked.code, unasked.error_kind().as_str()),
        (2, "invalid")
    );
    let wiped = run_on(&data, &["id", "wipe", "--yes", "--json"]);
    assert_eq!((wiped.code, wiped.json()), (0, serde_json::json!({})));
    assert!(!data.exists());
    let again = run_on(&data, &["id", "wipe", "--yes", "--json"]);
    assert_eq!((again.code, again.error_kind().as_str()), (1, "not_found"));
}

/// `sovereign sim` is the simulator beside this program; without one it says how to get it.
#[test]
fn sim_is_a_program_of_its_own() {
    let here = std::path::Path::new(env!("CARGO_BIN_EXE_sovereign"));
    if here.with_file_name("sovereign-sim").is_file() {
        let listed = run(["sim", "list", "--json"]);
        assert_eq!(listed.code, 0, "{listed:?}");
        assert!(listed.out.contains("campfire"), "{listed:?}");
        assert!(run(["sim", "--help"]).out.contains("run campfire"));
        assert_eq!(run(["sim", "run"]).code, 2);
    }
    let alone = tempfile::tempdir().unwrap();
    let moved = alone.path().join("sovereign");
    fs::copy(here, &moved).unwrap();
    let out = std::process::Command::new(moved)
        .args(["sim", "list", "--json"])
        .env("PATH", alone.path())
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1));
    let error = String::from_utf8(out.stderr).unwrap();
    assert!(error.contains("--package sovereign-sim"), "{error}");
}
