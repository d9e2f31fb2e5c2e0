//! Who may ask: pages of this very server, and nobody who only looks like one (DNS rebinding, cross-site
//! requests, cross-site WebSockets).

use std::net::SocketAddr;

use hyper::{
    HeaderMap, Method,
    header::{HOST, HeaderName, ORIGIN},
};

/// Why a request is refused. The words are for developers; nobody else sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The request was meant for another name: somebody's DNS points here.
    Host,
    /// A page of another origin asks.
    Origin,
}

/// The names under which this server answers.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    hosts: Vec<String>,
}

impl Guard {
    /// For the address that was bound.
    pub(crate) fn new(bound: SocketAddr) -> Self {
        let mut hosts = vec![bound.to_string(), format!("localhost:{}", bound.port())];
        if bound.port() == 80 {
            // Browsers leave the scheme's own port out.
            let address = bound.to_string();
            let bare = address.trim_end_matches(":80");
            hosts.extend([bare.to_owned(), "localhost".to_owned()]);
        }
        Self { hosts }
    }

    /// Checks a request's head. What may change something, or carries data of the node, has to say from
    /// which page it comes; a person who opens the page comes from none.
    pub(crate) fn check(
        &self,
        method: &Method,
        private: bool,
        headers: &HeaderMap,
    ) -> Result<(), Refused> {
        let host = one(headers, &HOST)
            .ok()
            .flatten()
            .filter(|host| self.hosts.iter().any(|known| known == host))
            .ok_or(Refused::Host)?;
        // Browsers say it themselves (W3C Fetch Metadata), of every request to a loopback address.
        let site = one(headers, &SITE).map_err(|()| Refused::Origin)?;
        let origin = one(headers, &ORIGIN).map_err(|()| Refused::Origin)?;
        match origin {
            Some(origin) if origin.strip_prefix("http://") == Some(host) => {}
            // They name no origin when a page gets something of its own.
            None if method == Method::GET && (!private || site == Some("same-origin")) => {}
            _ => return Err(Refused::Origin),
        }
        // Who opens the page by a link is let in to the login.
        let opened = !private && one(headers, &MODE) == Ok(Some("navigate"));
        match site {
            None | Some("same-origin" | "none") => Ok(()),
            Some(_) if opened => Ok(()),
            Some(_) => Err(Refused::Origin),
        }
    }
}

static SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
static MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// A header that may be there once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn check(
        method: Method,
        private: bool,
        headers: &[(&'static str, &str)],
    ) -> Result<(), Refused> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        Guard::new("127.0.0.1:4000".parse().unwrap()).check(&method, private, &map)
    }

    const HERE: (&str, &str) = ("host", "127.0.0.1:4000");
    const OWN: (&str, &str) = ("origin", "http://127.0.0.1:4000");

    #[test]
    fn only_our_own_names_are_answered() {
        for host in ["127.0.0.1:4000", "localhost:4000"] {
            assert_eq!(check(Method::GET, false, &[("host", host)]), Ok(()));
        }
        for host in [
            "evil.example:4000",
            "127.0.0.1",
            "127.0.0.1:4001",
            "LOCALHOST:4000",
            "127.0.0.1:4000.evil.example",
            "[::1]:4000",
            "",
        ] {
            assert_eq!(
                check(Method::GET, false, &[("host", host)]),
                Err(Refused::Host),
                "{host}"
            );
        }
        assert_eq!(check(Method::GET, false, &[]), Err(Refused::Host));
        assert_eq!(check(Method::GET, false, &[HERE, HERE]), Err(Refused::Host));
    }

    #[test]
    fn what_is_private_needs_our_own_origin() {
        assert_eq!(check(Method::GET, true, &[HERE, OWN]), Ok(()));
        assert_eq!(check(Method::POST, true, &[HERE, OWN]), Ok(()));
        for method in [Method::GET, Method::POST] {
            assert_eq!(check(method, true, &[HERE]), Err(Refused::Origin));
        }
        let own = ("sec-fetch-site", "same-origin");
        assert_eq!(check(Method::GET, true, &[HERE, own]), Ok(()));
        assert_eq!(
            check(Method::POST, true, &[HERE, own]),
            Err(Refused::Origin)
        );
        let opened = ("sec-fetch-site", "none");
        assert_eq!(
            check(Method::GET, true, &[HERE, opened]),
            Err(Refused::Origin)
        );
        assert_eq!(check(Method::POST, false, &[HERE]), Err(Refused::Origin));
        for origin in [
            "http://evil.example",
            "https://127.0.0.1:4000",
            "http://127.0.0.1:4001",
            // Of our own, but not of the name that was asked.
            "http://localhost:4000",
            "null",
            "http://127.0.0.1:4000/",
        ] {
            for private in [false, true] {
                assert_eq!(
                    check(Method::GET, private, &[HERE, ("origin", origin)]),
                    Err(Refused::Origin),
                    "{origin}"
                );
            }
        }
        assert_eq!(
            check(Method::GET, true, &[HERE, OWN, OWN]),
            Err(Refused::Origin)
        );
    }

    #[test]
    fn what_browsers_say_of_themselves_counts() {
        let site = |site| ("sec-fetch-site", site);
        let navigate = ("sec-fetch-mode", "navigate");
        for fine in ["same-origin", "none"] {
            assert_eq!(check(Method::GET, true, &[HERE, OWN, site(fine)]), Ok(()));
        }
        for other in ["cross-site", "same-site"] {
            assert_eq!(
                check(Method::GET, true, &[HERE, OWN, site(other), navigate]),
                Err(Refused::Origin)
            );
            assert_eq!(
                check(Method::GET, false, &[HERE, site(other)]),
                Err(Refused::Origin)
            );
            assert_eq!(
                check(Method::GET, false, &[HERE, site(other), navigate]),
                Ok(())
            );
        }
    }

    #[test]
    fn the_schemes_own_port_is_left_out() {
        let guard = Guard::new("[::1]:80".parse().unwrap());
        for host in ["[::1]", "[::1]:80", "localhost", "localhost:80"] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_str(host).unwrap());
            assert_eq!(guard.check(&Method::GET, false, &headers), Ok(()), "{host}");
        }
    }
}
