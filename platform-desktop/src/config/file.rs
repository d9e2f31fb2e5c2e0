//! The configuration file: TOML, bounded, every mistake named with its file, line and key.

use std::{fs::File, io::Read as _, ops::Range, path::Path};

use sovereign_node::api::ApiError;
use toml::de::{DeTable, DeValue};

use super::key::{KEYS, Key, Value};
use crate::failure::{invalid, io_error};

/// Largest configuration file, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Reads a file: pairs of key and value, in the file's order of tables.
///
/// # Errors
/// `invalid` for unknown keys, wrong types, values out of range and broken TOML; others when the
/// file cannot be read.
pub(super) fn read(path: &Path) -> Result<Vec<(&'static Key, Value)>, ApiError> {
    let shown = path.display().to_string();
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut text))
        .map_err(|error| io_error(&format!("cannot read the configuration {shown}"), &error))?;
    if text.len() as u64 > MAX_FILE {
        return Err(invalid(
            format!("{shown}: larger than {MAX_FILE} bytes"),
            "is it a configuration file?",
        ));
    }
    let text = String::from_utf8(text)
        .map_err(|_| invalid(format!("{shown}: not UTF-8"), "is it a configuration file?"))?;
    parse(&shown, &text)
}

fn parse(shown: &str, text: &str) -> Result<Vec<(&'static Key, Value)>, ApiError> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = line_of(text, error.span().unwrap_or(0..0));
        invalid(
            format!("{shown}:{line}: {}", error.message()),
            "the file is TOML: `key = value`, one a line",
        )
    })?;
    let mut found = Vec::new();
    walk(shown, text, "", table.get_ref(), &mut found)?;
    Ok(found)
}

fn walk(
    shown: &str,
    text: &str,
    prefix: &str,
    table: &DeTable<'_>,
    found: &mut Vec<(&'static Key, Value)>,
) -> Result<(), ApiError> {
    for (name, value) in table {
        let dotted = if prefix.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{prefix}.{}", name.get_ref())
        };
        let at = format!("{shown}:{}", line_of(text, name.span()));
        if let DeValue::Table(inner) = value.get_ref() {
            let group = format!("{dotted}.");
            if KEYS.iter().any(|key| key.name.starts_with(&group)) {
                walk(shown, text, &dotted, inner, found)?;
                continue;
            }
        }
        let key = KEYS
            .iter()
            .find(|key| key.name == dotted)
            .ok_or_else(|| unknown(&at, &dotted))?;
        let value = convert(value.get_ref())
            .ok_or_else(|| format!("{dotted}: of the wrong type; range: {}", key.allowed()))
            .and_then(|value| key.check(value))
            .map_err(|why| invalid(format!("{at}: {why}"), key.doc))?;
        found.push((key, value));
    }
    Ok(())
}

fn convert(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::Boolean(on) => Value::Switch(*on),
        DeValue::Integer(number) => {
            let text = number.as_str();
            Value::Number(u64::from_str_radix(text, number.radix()).ok()?)
        }
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Array(entries) => Value::List(
            entries
                .iter()
                .map(|entry| match entry.get_ref() {
                    DeValue::String(text) => Some(text.to_string()),
                    _ => None,
                })
                .collect::<Option<_>>()?,
        ),
        _ => return None,
    })
}

fn unknown(at: &str, dotted: &str) -> ApiError {
    let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    let nearest = KEYS
        .iter()
        .map(|key| (distance(key.name, dotted), key.name))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    let hint = nearest.map_or_else(
        || format!("keys: {}", names.join(", ")),
        |(_, name)| format!("did you mean {name}?"),
    );
    invalid(format!("{at}: {dotted}: unknown key"), hint)
}

fn line_of(text: &str, span: Range<usize>) -> usize {
    let before = text.as_bytes().get(..span.start).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Levenshtein distance; both are short.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let change = corner + usize::from(from != *to);
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> ApiError {
        parse("node.toml", text).unwrap_err()
    }

    #[test]
    fn a_file_is_read() {
        let text = "name = \"ann\"\nlisten = [\"/ip4/0.0.0.0/tcp/4001\"]\n\n[store]\ncap_mib = 0x80\n\n[local]\nmdns = false\n";
        let found = parse("f", text).unwrap();
        let get = |name: &str| {
            found
                .iter()
                .find(|(key, _)| key.name == name)
                .unwrap()
                .1
                .clone()
        };
        assert_eq!(found.len(), 4);
        assert_eq!(get("store.cap_mib"), Value::Number(128));
        assert_eq!(get("local.mdns"), Value::Switch(false));
        assert_eq!(
            get("listen"),
            Value::List(vec!["/ip4/0.0.0.0/tcp/4001".into()])
        );
        assert_eq!(
            parse("f", "store.cap_mib = 7").unwrap()[0].1,
            Value::Number(7)
        );
    }

    #[test]
    fn mistakes_name_file_line_key_and_range() {
        let e = error("name = \"a\"\n[store]\ncap_mib = 0\n");
        assert!(
            e.message.starts_with("node.toml:3: store.cap_mib = 0"),
            "{}",
            e.message
        );
        assert!(e.message.contains("1 to 1048576 MiB"), "{}", e.message);
        let e = error("\n[local]\n# x\nmdsn = true\n");
        assert_eq!(e.message, "node.toml:4: local.mdsn: unknown key");
        assert_eq!(e.hint, "did you mean local.mdns?");
        assert!(
            error("[wormhole]\nx = 1\n")
                .message
                .contains("node.toml:1: wormhole: unknown key")
        );
        let e = error("a = 1\nb = \n");
        assert!(e.message.starts_with("node.toml:2: "), "{}", e.message);
        let e = error("[local]\nmdns = \"yes\"");
        assert!(
            e.message.contains("node.toml:2: local.mdns"),
            "{}",
            e.message
        );
        assert!(e.message.contains("true or false"), "{}", e.message);
        for bad in [
            "lan.links = -1",
            "lan.links = 1.5",
            "lan.links = 1979-05-27",
            "listen = [1]",
        ] {
            assert!(error(bad).message.starts_with("node.toml:1: l"), "{bad}");
        }
        assert!(error("local = 1").message.contains("local: unknown key"));
        assert!(
            error("name.x = 1")
                .message
                .contains("name: of the wrong type")
        );
    }

    #[test]
    fn large_and_binary_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, vec![b'#'; 64 * 1024]).unwrap();
        assert!(read(&path).is_ok());
        std::fs::write(&path, vec![b'#'; 64 * 1024 + 1]).unwrap();
        assert!(read(&path).unwrap_err().message.contains("larger than"));
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(read(&path).unwrap_err().message.contains("not UTF-8"));
    }
}
