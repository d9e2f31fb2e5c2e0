//! `list`.

use std::path::Path;

use serde_json::json;
use sovereign_sim::scenario::Fidelity;

use super::{failure::Outcome, library, print};

pub(super) fn list(json: bool) -> Outcome {
    let mut rows = Vec::new();
    for (name, _) in library::ALL {
        let scenario = library::scenario(Path::new(name))?;
        rows.push((name, scenario));
    }
    let fidelity = |of: Fidelity| match of {
        Fidelity::Full => "full",
        Fidelity::Policy => "policy",
    };
    if json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(name, scenario)| {
                json!({
                    "name": name,
                    "shows": scenario.shows,
                    "fidelity": fidelity(scenario.fidelity),
                    "people": scenario.people(),
                    "duration_s": scenario.duration.get().as_secs(),
                })
            })
            .collect();
        return print(&serde_json::Value::from(rows).to_string());
    }
    let rows: Vec<String> = rows
        .iter()
        .map(|(name, scenario)| {
            let (people, nodes) = (scenario.people(), fidelity(scenario.fidelity));
            format!("{name:<16} {people:>6} {nodes:<7} {}", scenario.shows)
        })
        .collect();
    print(&format!(
        "{:<16} {:>6} {:<7} shows\n{}",
        "name",
        "people",
        "nodes",
        rows.join("\n")
    ))
}
