//! The scenarios that come with the simulator.

use std::path::Path;

use sovereign_sim::scenario::Scenario;

use super::failure::Failure;

macro_rules! scenarios {
    ($($name:literal),*) => {
        &[$(($name, include_str!(concat!("../../scenarios/", $name, ".toml")))),*]
    };
}

/// Their names and texts.
pub(super) const ALL: &[(&str, &str)] = scenarios![
    "blackout",
    "campfire",
    "hostile-crowd",
    "march",
    "metropolis",
    "split-and-heal",
    "train",
    "two-phones",
    "village"
];

/// A file, or one of these.
///
/// # Errors
/// [`Failure`] with the place in the file.
pub(super) fn scenario(wanted: &Path) -> Result<Scenario, Failure> {
    const HINT: &str = "docs/scenarios.md tells what a scenario may say";
    let ours = ALL.iter().find(|(name, _)| Path::new(name) == wanted);
    match ours {
        Some((name, text)) => Scenario::parse(text).map_err(|mut error| {
            error.file = Some(Path::new(name).with_extension("toml"));
            Failure::invalid(error, HINT)
        }),
        None if !wanted.exists() => Err(Failure::not_found(
            format!("there is no scenario `{}`", wanted.display()),
            "give a file, or a name that `sovereign sim list` shows",
        )),
        None => Scenario::load(wanted).map_err(|error| Failure::invalid(error, HINT)),
    }
}

/// Its text, once it is known that it can be run.
///
/// # Errors
/// As [`scenario`].
pub(super) fn text(wanted: &Path) -> Result<String, Failure> {
    scenario(wanted)?;
    match ALL.iter().find(|(name, _)| Path::new(name) == wanted) {
        Some((_, text)) => Ok((*text).to_owned()),
        None => std::fs::read_to_string(wanted)
            .map_err(|error| Failure::io(&format!("{}", wanted.display()), error)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_is_listed_and_is_read() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let files: BTreeSet<String> = std::fs::read_dir(directory)
            .expect("the directory is there")
            .map(|file| file.expect("it is read").path())
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect();
        let listed: BTreeSet<String> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(files, listed);
        for (name, _) in ALL {
            let scenario = scenario(Path::new(name)).unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!(scenario.name.to_string(), *name);
        }
    }

    #[test]
    fn what_is_not_there_is_told_apart_from_what_is_wrong() {
        let missing = format!("{:?}", scenario(Path::new("no-such-thing")).err());
        assert!(missing.contains("not_found"), "{missing}");
        let wrong = format!("{:?}", scenario(Path::new("Cargo.toml")).err());
        assert!(wrong.contains("Cargo.toml:"), "{wrong}");
    }
}
