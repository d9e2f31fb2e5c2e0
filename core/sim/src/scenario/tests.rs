use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SMALL: &str = r##"
name = "small"
shows = "nothing much"
fidelity = "policy"
duration = "1 h"

[radio]
physics = "ideal"
path-loss-exponent = 3
set-up = ["1 s", "2 s"]
bytes-per-second = 1000
wall = [{ from = [0, 0], to = [0, 9], loss = 12.5 }]

[[group]]
name = "people"
count = 20
place = { rectangle = { corner = [0, 0], width = 100, height = 50 } }
move = { waypoint = { within = 20, speed = [0.5, 1.5], pause = "1 min" } }

[[lan]]
name = "hall"
group = "people"
count = 3
when = { from = "10 min", for = "5 min", every = "20 min" }

[[internet]]
group = "people"

[[power]]
group = "people"
what = { crash = { every = "30 min", down = "1 min" } }

[[clock]]
group = "people"
count = 1
seconds = -3600

[[hostile]]
group = "people"
count = 2
does = "lying"

[[channel]]
name = "#all"
groups = ["people"]

[[channel]]
name = "family"
groups = ["people"]
of = 4

[[traffic]]
group = "people"
channel = "#all"
every = "10 min"
bytes = [1, 100]

[demand]
delivery = 0.9
"##;

fn with(from: &str, to: &str) -> Result<Scenario, ScenarioError> {
    assert!(SMALL.contains(from), "{from}");
    Scenario::parse(&SMALL.replacen(from, to, 1))
}

/// The error, and the piece of the text at which it points.
fn fault(from: &str, to: &str) -> (String, String) {
    let error = with(from, to).unwrap_err();
    let text = SMALL.replacen(from, to, 1);
    let at = error.place.map_or(String::new(), |(line, column)| {
        let line = text.lines().nth(line - 1).unwrap_or_default();
        line.chars().skip(column - 1).collect()
    });
    (error.what, at)
}

#[test]
fn a_scenario_says_what_it_says() {
    // SIM-3.
    let scenario = Scenario::parse(SMALL).unwrap();
    assert_eq!(scenario.people(), 20);
    assert_eq!(scenario.duration.get(), Duration::from_secs(3_600));
    let physics = scenario.radio.physics();
    assert_eq!(physics.path_loss_exponent, 3.0);
    assert_eq!(physics.bytes_per_second.map(u32::from), Some(1_000));
    // What is not set is the preset's, and an ideal dial has no set-up to change.
    assert_eq!(physics.dialling, crate::radio::Dialling::Instant);
    assert_eq!(scenario.radio.walls()[0].loss_db, 12.5);
    assert_eq!(scenario.profile, Profile::Balanced);
    assert!(scenario.lan[0].multicast);
    assert_eq!(scenario.hostile[0].does, Malice::Lying);
}

#[test]
fn the_scenarios_that_are_shipped_are_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let scenario = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            path.file_stem().unwrap().to_str(),
            Some(scenario.name.as_str())
        );
        names.push(scenario.name.to_string());
    }
    for name in ["two-phones", "campfire"] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
}

#[test]
fn faults_are_pointed_at() {
    for (from, to, what, at) in [
        (
            "count = 20",
            "count = 0",
            "out of range: give a number of people from 1",
            "0",
        ),
        ("count = 20", "count = 2000000", "out of range", "2000000"),
        ("count = 20", "count = -1", "invalid value", "-1"),
        ("count = 20", "count = 99999999999999", "", "99999999999999"),
        (
            "width = 100",
            "width = inf",
            "out of range: give metres",
            "inf",
        ),
        (
            "width = 100",
            "width = nan",
            "out of range: give metres",
            "nan",
        ),
        (
            "loss = 12.5",
            "loss = -1",
            "out of range: give decibels",
            "-1",
        ),
        ("\"1 h\"", "\"40 d\"", "no span of time", "\"40 d\""),
        ("\"1 h\"", "\"0 s\"", "at least", "\"0 s\""),
        (
            "[0.5, 1.5]",
            "[1.5, 0.5]",
            "the first is above the second",
            "[1.5",
        ),
        (
            "delivery = 0.9",
            "delivery = 1.1",
            "out of range: give a share",
            "1.1",
        ),
        (
            "delivery = 0.9",
            "deliver = 0.9",
            "unknown field `deliver`",
            "deliver",
        ),
        ("loss = 12.5", "los = 12.5", "unknown field `los`", "los"),
        (
            "bytes = [1, 100]",
            "bytes = [1, 12001]",
            "give bytes from 1 to 12000",
            "[1, 12001]",
        ),
        (
            "\"policy\"",
            "\"both\"",
            "unknown variant `both`",
            "\"both\"",
        ),
        ("[0, 9]", "[0, 9, 9]", "give two", "[0, 9, 9]"),
        (
            "does = \"lying\"",
            "does = \"rude\"",
            "unknown variant `rude`",
            "\"rude\"",
        ),
        (
            "name = \"people\"",
            "name = \"Le Peuple\"",
            "no name",
            "\"Le Peuple\"",
        ),
        (
            "[[internet]]\ngroup = \"people\"",
            "[[internet]]\ngroup = \"peple\"",
            "there is no group \"peple\": there are people",
            "\"peple\"",
        ),
        (
            "[demand]",
            "[demand]\namong = \"peple\"",
            "there is no group \"peple\"",
            "\"peple\"",
        ),
        (
            "count = 3",
            "count = 21",
            "has 20 people: `count` cannot be 21",
            "\"people\"",
        ),
        (
            "channel = \"#all\"",
            "channel = \"#none\"",
            "there is no channel \"#none\"",
            "\"#none\"",
        ),
        (
            "name = \"#all\"",
            "name = \"family\"",
            "two channels are called",
            "\"family\"",
        ),
        ("name = \"#all\"", "name = \"#\"", "one # at most", "\"#\""),
        (
            "name = \"#all\"",
            "name = \"a#all\"",
            "one # at most",
            "\"a#all\"",
        ),
        (
            "for = \"5 min\"",
            "for = \"20 min\"",
            "lasts `for` a shorter time",
            "\"people\"",
        ),
        (
            "down = \"1 min\"",
            "down = \"30 min\"",
            "off for longer",
            "\"people\"",
        ),
        ("[demand]", "[[demand]]", "", ""),
        (
            "[demand]",
            "[demand]\nsettle = \"1 h\"",
            "nothing would be due",
            "",
        ),
        ("fidelity = \"policy\"", "fidelity = \"full\"\n[x]", "", ""),
        ("name = \"small\"", "name = ", "", ""),
    ] {
        let (error, place) = fault(from, to);
        assert!(error.contains(what), "{to}: {error}");
        assert!(place.starts_with(at), "{to}: {place}");
    }
}

#[test]
fn limits_are_those_stated() {
    let count = |fidelity: &str, count: u32| {
        let text = SMALL.replace("\"policy\"", fidelity);
        let text = text.replace("of = 4", "of = 5");
        Scenario::parse(&text.replacen("count = 20", &format!("count = {count}"), 1)).is_ok()
    };
    assert!(count("\"full\"", MAX_FULL) && !count("\"full\"", MAX_FULL + 1));
    assert!(count("\"policy\"", 1_000_000));
    let families = |of: u32| {
        let text = SMALL.replacen("count = 20", "count = 400001", 1);
        Scenario::parse(&text.replacen("of = 4", &format!("of = {of}"), 1)).is_ok()
    };
    assert!(families(3) && !families(2));
    let long = format!(
        "{SMALL}#{}",
        "x".repeat(MAX_BYTES as usize - SMALL.len() - 1)
    );
    assert!(Scenario::parse(&long).is_ok());
    assert_eq!(Scenario::parse(&format!("{long}x")), Err(too_large()));
    let shows = |length: usize| with("nothing much", &"x".repeat(length)).is_ok();
    assert!(shows(1) && shows(1_000) && !shows(1_001) && !shows(0));
}

#[test]
fn two_groups_have_two_names() {
    let group = "[[group]]\nname = \"people\"\ncount = 1\nplace = { at = [[0, 0]] }\n";
    let error = with("[[lan]]", &format!("{group}[[lan]]")).unwrap_err();
    assert!(error.what.contains("two groups"), "{error}");
    let empty = with(
        "{ rectangle = { corner = [0, 0], width = 100, height = 50 } }",
        "{ at = [] }",
    );
    assert!(empty.unwrap_err().what.contains("no place"));
    let ride = with(
        "{ waypoint = { within = 20, speed = [0.5, 1.5], pause = \"1 min\" } }",
        "{ ride = { stops = [[0, 0]], speed = 1 } }",
    );
    assert!(ride.unwrap_err().what.contains("two stops"));
    let strangers = "[[group]]\nname = \"others\"\ncount = 1\nplace = { at = [[0, 0]] }\n[[lan]]";
    let text = SMALL.replacen("[[lan]]", strangers, 1);
    let text = text.replace(
        "[[traffic]]\ngroup = \"people\"",
        "[[traffic]]\ngroup = \"others\"",
    );
    let error = Scenario::parse(&text).unwrap_err();
    assert!(
        error.what.contains("not all of them are members"),
        "{error}"
    );
}

#[test]
fn a_file_is_named_in_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    assert!(
        Scenario::load(&path)
            .unwrap_err()
            .what
            .contains("cannot be read")
    );
    for (bytes, what) in [
        (&b"name = \xff"[..], "UTF-8"),
        (b"name = 7", "invalid type"),
        (&vec![b'#'; MAX_BYTES as usize + 1], "larger"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = Scenario::load(&path).unwrap_err();
        assert!(error.what.contains(what), "{error}");
        assert_eq!(error.file.as_deref(), Some(path.as_path()));
    }
    std::fs::write(&path, SMALL).unwrap();
    assert_eq!(Scenario::load(&path), Scenario::parse(SMALL));
}

proptest! {
    #[test]
    fn whatever_is_in_the_file_is_answered(noise in "\\PC{0,40}", at in 0..SMALL.len()) {
        let at = (0..=at).rev().find(|at| SMALL.is_char_boundary(*at)).unwrap();
        let text = format!("{}{noise}{}", &SMALL[..at], &SMALL[at..]);
        if let Err(error) = Scenario::parse(&text)
            && let Some((line, column)) = error.place
        {
            let lines: Vec<&str> = text.split('\n').collect();
            prop_assert!(line <= lines.len());
            prop_assert!(column <= lines[line - 1].chars().count() + 1);
        }
    }

    #[test]
    fn what_was_cut_short_is_answered(at in 0..SMALL.len()) {
        if SMALL.is_char_boundary(at) {
            let _ = Scenario::parse(&SMALL[..at]);
        }
    }
}
