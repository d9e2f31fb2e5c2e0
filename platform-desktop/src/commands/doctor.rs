//! `sovereign doctor` (APP-7): reasons why nobody is seen, and what to do. Works with and without a
//! running node.

use std::{
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sovereign_node::api::{Command, DoctorCheck, ErrorKind, Reply};

use super::host::{self, Interface};
use crate::{
    control::Client,
    failure::{DONE, FAILED, Outcome},
    output::Output,
    show,
};

/// Less free space than this is a warning, in bytes.
const LITTLE_SPACE: u64 = 256 * 1024 * 1024;
/// Less than this is a problem, in bytes: no message can be kept.
const NO_SPACE: u64 = 4 * 1024 * 1024;
/// 2025-01-01: this program is younger than that, in Unix seconds.
const PAST: u64 = 1_735_689_600;
/// 2100-01-01, in Unix seconds.
const FUTURE: u64 = 4_102_444_800;

/// Runs all checks; exit code 1 if one found a problem.
pub(super) fn run(data: &Path, output: Output) -> Outcome<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut checks = vec![
        directory(data),
        space(host::free_bytes(data)),
        clock(now.unwrap_or(Duration::ZERO).as_secs()),
    ];
    checks.extend(network(host::interfaces()));
    checks.extend(host::firewalls().into_iter().map(|(name, hint)| {
        check(
            "firewall",
            Grade::Warning,
            format!("{name} is on: it may block mDNS (UDP 5353) and incoming connections"),
            hint,
        )
    }));
    let checks = joined(checks, node(data));
    let sick = checks
        .iter()
        .any(|check| check.result == Grade::Problem.word());
    output.either(&checks, |paint| show::doctor(&checks, paint))?;
    Ok(if sick { FAILED } else { DONE })
}

/// Both sides' findings; where both looked at the same, the worse one, and ours of two alike.
fn joined(mut ours: Vec<DoctorCheck>, theirs: Vec<DoctorCheck>) -> Vec<DoctorCheck> {
    for check in theirs {
        match ours.iter_mut().find(|own| own.check == check.check) {
            Some(own) if severity(&check) > severity(own) => *own = check,
            Some(_) => {}
            None => ours.push(check),
        }
    }
    ours
}

fn severity(check: &DoctorCheck) -> u8 {
    match check.result.as_str() {
        "ok" => 0,
        "warning" => 1,
        _ => 2,
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    Ok,
    Warning,
    Problem,
}

impl Grade {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

fn check(name: &str, grade: Grade, message: impl Into<String>, hint: &str) -> DoctorCheck {
    DoctorCheck {
        check: name.to_owned(),
        result: grade.word().to_owned(),
        message: message.into(),
        hint: Some(hint.to_owned()).filter(|hint| !hint.is_empty()),
    }
}

fn directory(data: &Path) -> DoctorCheck {
    let shown = data.display();
    let Ok(meta) = std::fs::metadata(data) else {
        return check(
            "data",
            Grade::Ok,
            format!("{shown} is not there yet; the first start makes it"),
            "",
        );
    };
    let own = rustix::process::geteuid().as_raw();
    if !meta.is_dir() {
        check(
            "data",
            Grade::Problem,
            format!("{shown} is not a directory"),
            "give another --data DIR",
        )
    } else if meta.uid() != own {
        let hint = "run as that user, or give another --data DIR";
        check(
            "data",
            Grade::Problem,
            format!("{shown} belongs to another user"),
            hint,
        )
    } else if meta.mode() & 0o077 != 0 {
        let hint = "chmod 700 it";
        check(
            "data",
            Grade::Problem,
            format!("others can look into {shown}"),
            hint,
        )
    } else {
        check("data", Grade::Ok, format!("{shown} is ours alone"), "")
    }
}

fn space(free: Option<u64>) -> DoctorCheck {
    let Some(free) = free else {
        return check("disk", Grade::Warning, "the free space is not known", "");
    };
    let shown = format!("{} free", show::size(free));
    match free {
        0..NO_SPACE => check(
            "disk",
            Grade::Problem,
            shown,
            "make room: nothing can be stored",
        ),
        NO_SPACE..LITTLE_SPACE => check("disk", Grade::Warning, shown, "make room"),
        _ => check("disk", Grade::Ok, shown, ""),
    }
}

fn clock(unix_s: u64) -> DoctorCheck {
    let shown = sovereign_node::text::rfc3339(unix_s);
    if (PAST..FUTURE).contains(&unix_s) {
        check("clock", Grade::Ok, shown, "")
    } else {
        let hint = "set it; messages arrive all the same, but with wrong times";
        check(
            "clock",
            Grade::Warning,
            format!("{shown} cannot be right"),
            hint,
        )
    }
}

fn network(interfaces: Result<Vec<Interface>, String>) -> Vec<DoctorCheck> {
    let interfaces = match interfaces {
        Ok(interfaces) => interfaces,
        Err(why) => return vec![check("interfaces", Grade::Warning, why, "")],
    };
    let usable: Vec<&Interface> = interfaces
        .iter()
        .filter(|interface| !interface.addresses.is_empty())
        .collect();
    if usable.is_empty() {
        return vec![check(
            "interfaces",
            Grade::Problem,
            "no network interface is up and has an address",
            "join a Wi-Fi network or plug in a cable; no Internet is needed",
        )];
    }
    let names = |interfaces: &[&Interface]| {
        let names: Vec<&str> = interfaces.iter().map(|i| i.name.as_str()).collect();
        names.join(", ")
    };
    let up = check("interfaces", Grade::Ok, names(&usable), "");
    let multicast: Vec<&Interface> = usable.iter().copied().filter(|i| i.multicast).collect();
    let second = if multicast.is_empty() {
        check(
            "multicast",
            Grade::Problem,
            "no interface carries multicast, so mDNS sees nobody",
            "use another network, or `ip link set IFACE multicast on`",
        )
    } else {
        check("multicast", Grade::Ok, names(&multicast), "")
    };
    vec![up, second]
}

fn node(data: &Path) -> Vec<DoctorCheck> {
    let mut client = match Client::connect(data) {
        Ok(client) => client,
        Err(error) if error.kind == ErrorKind::NotRunning => {
            let hint = "start one with `sovereign`; it can tell more";
            return vec![check("node", Grade::Warning, error.message, hint)];
        }
        Err(error) => return vec![check("node", Grade::Problem, error.message, &error.hint)],
    };
    match client.call(&Command::Doctor) {
        Ok(Reply::Doctor(mut found)) => {
            found.insert(
                0,
                check("node", Grade::Ok, "a node is running and answers", ""),
            );
            found
        }
        Ok(_) => vec![check(
            "node",
            Grade::Problem,
            "the node's answer makes no sense",
            "are the node and this command of the same version?",
        )],
        Err(error) => vec![check("node", Grade::Problem, error.message, &error.hint)],
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, net::Ipv4Addr, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn disk_and_clock_are_graded_at_their_bounds() {
        let disk = |free| space(Some(free)).result;
        assert_eq!(disk(NO_SPACE - 1), "problem");
        assert_eq!(disk(NO_SPACE), "warning");
        assert_eq!(disk(LITTLE_SPACE), "ok");
        for (seconds, result) in [
            (0, "warning"),
            (PAST - 1, "warning"),
            (PAST, "ok"),
            (FUTURE, "warning"),
        ] {
            assert_eq!(clock(seconds).result, result, "{seconds}");
        }
    }

    #[test]
    fn networks_are_graded() {
        let interface = |addresses: Vec<IpAddr>, multicast| Interface {
            name: "eth0".into(),
            addresses,
            multicast,
        };
        use std::net::IpAddr;
        let address = vec![IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))];
        let results = |interfaces| -> Vec<String> {
            network(Ok(interfaces))
                .into_iter()
                .map(|check| check.result)
                .collect()
        };
        assert_eq!(results(vec![]), ["problem"]);
        assert_eq!(results(vec![interface(vec![], true)]), ["problem"]);
        assert_eq!(
            results(vec![interface(address.clone(), false)]),
            ["ok", "problem"]
        );
        assert_eq!(results(vec![interface(address, true)]), ["ok", "ok"]);
    }

    #[test]
    fn the_data_directory_must_be_ours_alone() {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(directory(root.path()).result, "ok");
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o750)).unwrap();
        assert_eq!(directory(root.path()).result, "problem");
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(root.path().join("f"), b"").unwrap();
        assert_eq!(directory(&root.path().join("f")).result, "problem");
        assert_eq!(directory(&root.path().join("new")).result, "ok");
    }

    #[test]
    fn of_two_findings_the_worse_stays() {
        let ok = || check("clock", Grade::Ok, "ours", "");
        let theirs = |grade| check("clock", grade, "theirs", "");
        let message = |grade| joined(vec![ok()], vec![theirs(grade)]).remove(0).message;
        assert_eq!(message(Grade::Ok), "ours");
        assert_eq!(message(Grade::Problem), "theirs");
        assert_eq!(
            joined(vec![ok()], vec![check("peers", Grade::Ok, "", "")]).len(),
            2
        );
    }

    #[test]
    fn every_problem_says_what_to_do() {
        let problems = [space(Some(0)), network(Ok(vec![])).remove(0)];
        assert!(problems.iter().all(|check| check.hint.is_some()));
    }
}
