//! Values of a scenario that a sweep goes through: `radio.frame-loss=0,0.1,0.2`, `group.0.count=10,50`.

use toml::{Table, Value};

use super::failure::Failure;

/// Scenarios of a sweep at most.
const MOST: usize = 1_000;

/// One scenario of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Variant {
    /// What is set in it.
    pub(super) name: String,
    /// Its text.
    pub(super) text: String,
    /// Where it stands on the axis, when the value varied first is a number.
    pub(super) x: Option<f64>,
    /// What the axis says.
    pub(super) axis: String,
}

/// Every combination.
///
/// # Errors
/// [`Failure`] for a path that leads nowhere, or for too many of them.
pub(super) fn variants(text: &str, vary: &[String]) -> Result<Vec<Variant>, Failure> {
    const HINT: &str =
        "write PATH=VALUE,VALUE, as in radio.frame-loss=0,0.2 or group.0.count=10,50";
    let scenario: Table = toml::from_str(text).map_err(|error| {
        Failure::invalid(
            error.message(),
            "docs/scenarios.md tells what a scenario may say",
        )
    })?;
    let mut all = vec![(Vec::<String>::new(), scenario, None)];
    let mut axis = "variant".to_owned();
    for (number, rule) in vary.iter().enumerate() {
        let (path, values) = rule
            .split_once('=')
            .ok_or_else(|| Failure::invalid(format!("`{rule}` sets nothing"), HINT))?;
        let values: Vec<&str> = values.split(',').map(str::trim).collect();
        if all.len() * values.len() > MOST {
            return Err(Failure::invalid(
                format!("these are more than {MOST} combinations"),
                "vary less at once",
            ));
        }
        if number == 0 {
            path.clone_into(&mut axis);
        }
        let mut next = Vec::new();
        for (names, scenario, x) in all {
            for text in &values {
                let mut scenario = scenario.clone();
                let value = parse(text);
                let x = if number == 0 { number_of(&value) } else { x };
                set(&mut scenario, path, value).map_err(|at| {
                    Failure::invalid(format!("`{path}`: there is no `{at}`"), HINT)
                })?;
                let mut names = names.clone();
                names.push(format!("{path}={text}"));
                next.push((names, scenario, x));
            }
        }
        all = next;
    }
    let made = all.into_iter().map(|(names, scenario, x)| Variant {
        name: if names.is_empty() {
            "as it is".to_owned()
        } else {
            names.join(" ")
        },
        text: scenario.to_string(),
        x,
        axis: axis.clone(),
    });
    Ok(made.collect())
}

/// A number or a truth where it is one, else a text.
fn parse(text: &str) -> Value {
    let whole = text.parse::<i64>().map(Value::Integer).ok();
    let number = || text.parse::<f64>().map(Value::Float).ok();
    let truth = || text.parse::<bool>().map(Value::Boolean).ok();
    whole
        .or_else(number)
        .or_else(truth)
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn number_of(value: &Value) -> Option<f64> {
    value
        .as_float()
        .or_else(|| value.as_integer().map(|whole| whole as f64))
}

/// Sets what a path of names and numbers leads to. The last name may be new: the scenario's check knows all of them.
fn set(table: &mut Table, path: &str, value: Value) -> Result<(), String> {
    let (path, last) = path.rsplit_once('.').map_or(("", path), |split| split);
    let mut root = Value::Table(std::mem::take(table));
    let found = path
        .split('.')
        .filter(|name| !name.is_empty())
        .try_fold(&mut root, |at, name| match at {
            Value::Table(table) => table.get_mut(name).ok_or(name),
            Value::Array(list) => name
                .parse::<usize>()
                .ok()
                .and_then(|number| list.get_mut(number))
                .ok_or(name),
            _ => Err(name),
        });
    match found {
        Ok(Value::Table(table)) => {
            table.insert(last.to_owned(), value);
        }
        Ok(Value::Array(list)) => {
            match last.parse::<usize>().ok().and_then(|at| list.get_mut(at)) {
                Some(slot) => *slot = value,
                None => return Err(last.to_owned()),
            }
        }
        Ok(_) => return Err(last.to_owned()),
        Err(name) => return Err(name.to_owned()),
    }
    if let Value::Table(whole) = root {
        *table = whole;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"a\"\n[radio]\nframe-loss = 0.1\n[[group]]\nspeed = [1, 2]\n";

    fn texts(vary: &[&str]) -> Vec<Variant> {
        let vary: Vec<String> = vary.iter().map(|rule| (*rule).to_owned()).collect();
        variants(TEXT, &vary).expect("they can be made")
    }

    #[test]
    fn every_combination_is_made_once() {
        assert_eq!(texts(&[]).len(), 1);
        let made = texts(&["radio.frame-loss=0,0.25", "group.0.count=5,10,20"]);
        assert_eq!(made.len(), 6);
        let last = made.last().expect("there are some");
        assert_eq!(last.name, "radio.frame-loss=0.25 group.0.count=20");
        assert_eq!(
            (last.x, last.axis.as_str()),
            (Some(0.25), "radio.frame-loss")
        );
        let table: Table = toml::from_str(&last.text).expect("it is read again");
        assert_eq!(table["radio"]["frame-loss"].as_float(), Some(0.25));
        assert_eq!(table["group"][0]["count"].as_integer(), Some(20));
        let one = texts(&["group.0.speed.1=3"]).remove(0);
        let table: Table = toml::from_str(&one.text).expect("it is read again");
        assert_eq!(table["group"][0]["speed"][1].as_integer(), Some(3));
    }

    #[test]
    fn texts_are_texts() {
        let made = texts(&["profile=low-power,balanced"]);
        let table: Table = toml::from_str(&made[0].text).expect("it is read again");
        assert_eq!(table["profile"].as_str(), Some("low-power"));
        assert_eq!(made[0].x, None);
    }

    #[test]
    fn what_leads_nowhere_is_told() {
        for wrong in [
            "radio",
            "nothing.at-all=1",
            "group.7.count=1",
            "name.x=1",
            "group.0.speed.9=1",
        ] {
            let vary = [wrong.to_owned()];
            assert!(variants(TEXT, &vary).is_err(), "{wrong}");
        }
        let many = vec!["a=1,2,3,4,5,6,7,8,9,10".to_owned(); 4];
        assert!(variants(TEXT, &many).is_err());
    }
}
