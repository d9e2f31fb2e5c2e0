//! The page: built by `scripts/dashboard`, committed, and part of the binary.

/// A file of the bundle.
#[derive(Debug)]
pub(crate) struct Asset {
    /// `Content-Type`.
    pub(crate) mime: &'static str,
    /// As it is sent. Not compressed: it never leaves the machine, and the whole is below 300 KB as it is.
    pub(crate) body: &'static [u8],
}

macro_rules! asset {
    ($file:literal, $mime:literal) => {
        Asset {
            mime: $mime,
            body: include_bytes!(concat!("../dist/", $file)),
        }
    };
}

static INDEX: Asset = asset!("index.html", "text/html; charset=utf-8");
static SCRIPT: Asset = asset!("app.js", "text/javascript; charset=utf-8");
static STYLE: Asset = asset!("app.css", "text/css; charset=utf-8");
static ICON: Asset = asset!("icon.svg", "image/svg+xml");

/// The file at a path.
pub(crate) fn find(path: &str) -> Option<&'static Asset> {
    match path {
        "/" => Some(&INDEX),
        "/app.js" => Some(&SCRIPT),
        "/app.css" => Some(&STYLE),
        "/icon.svg" => Some(&ICON),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_light_and_names_no_other_host() {
        let mut bytes = 0;
        for path in ["/", "/app.js", "/app.css", "/icon.svg"] {
            let asset = find(path).unwrap();
            let text = std::str::from_utf8(asset.body).unwrap();
            for (at, _) in text.match_indices("://") {
                let from = text[..at].rfind(|c: char| !c.is_ascii_alphanumeric());
                let link = &text[from.map_or(0, |from| from + 1)..];
                // Names of XML vocabularies are no addresses, and the page's own host is this one.
                let own = "ws://${location.host}/";
                assert!(
                    link.starts_with("http://www.w3.org/") || link.starts_with(own),
                    "{path} names {}",
                    &link[..link.len().min(60)]
                );
            }
            bytes += asset.body.len();
        }
        // Must show h: 300 KB compressed; it is below that without compression.
        assert!(bytes <= 300_000, "{bytes}");
        assert!(find("/../Cargo.toml").is_none());
    }
}
