//! The few things that are asked by HTTP: the page, a session, and the live connection.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName,
        HeaderValue, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
        X_FRAME_OPTIONS,
    },
};
use serde::Deserialize;
use tokio::time::Instant;
use tracing::{debug, info};

use crate::{
    assets, counters::Count, limits::MAX_BODY, live, rate::Rate, server::Shared, shown::Shown,
};

type Answer = Response<Full<Bytes>>;

/// Scripts and styles of this server, connections to it, and nothing else; no text becomes markup (Trusted
/// Types); nobody frames the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// Answers one request.
pub(crate) async fn answer<S: Shown>(
    request: Request<Incoming>,
    shared: &Arc<Shared<S>>,
) -> Answer {
    let now = Instant::now();
    let path = request.uri().path();
    let private = path.starts_with("/api/");
    let method = request.method().clone();
    if let Err(why) = shared.guard.check(&method, private, request.headers()) {
        debug!(?why, "a request to the dashboard is refused");
        shared.counters.count(Count::Refused);
        return problem(StatusCode::FORBIDDEN, "not from here");
    }
    // After the guard: pages of others must not use up what the person's page may ask.
    if let Some(busy) = too_often(&shared.requests, now, shared) {
        return busy;
    }
    match (method, path) {
        (Method::POST, "/api/session") => login(request, shared, now).await,
        (Method::DELETE, "/api/session") => {
            let ended = shared.sessions.end(&cookies(request.headers()));
            with_cookie(empty(StatusCode::NO_CONTENT), &ended)
        }
        (Method::GET, "/api/session") => match known(&request, shared, now) {
            true => empty(StatusCode::NO_CONTENT),
            // Not a failure: this is how a page finds out that it has to ask for the code.
            false => json(StatusCode::OK, Bytes::from_static(b"{\"session\":false}")),
        },
        (Method::GET, "/api/counters") => match known(&request, shared, now) {
            true => {
                let reading = serde_json::to_vec(&shared.counters.read());
                json(StatusCode::OK, reading.unwrap_or_default().into())
            }
            false => unknown(shared),
        },
        (Method::GET, "/api/live") => match known(&request, shared, now) {
            true => live::open(request, shared),
            false => unknown(shared),
        },
        (_, "/api/session" | "/api/counters" | "/api/live") => wrong_method(),
        (Method::GET, path) => match assets::find(path) {
            Some(asset) => {
                let mut answer = dressed(StatusCode::OK, Bytes::from_static(asset.body));
                header(&mut answer, CONTENT_TYPE, asset.mime);
                answer
            }
            None => problem(StatusCode::NOT_FOUND, "there is nothing here"),
        },
        _ => wrong_method(),
    }
}

/// An error, in words.
pub(crate) fn problem(status: StatusCode, words: &'static str) -> Answer {
    let mut answer = dressed(status, Bytes::from_static(words.as_bytes()));
    header(&mut answer, CONTENT_TYPE, "text/plain; charset=utf-8");
    answer
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Answer {
    dressed(status, Bytes::new())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    code: String,
}

async fn login<S: Shown>(
    request: Request<Incoming>,
    shared: &Arc<Shared<S>>,
    now: Instant,
) -> Answer {
    // A form of another page could not say so.
    let is_json = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|is| is == "application/json");
    if !is_json {
        return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send JSON");
    }
    // Before the body is read: guesses cost their place whatever they say.
    if let Some(busy) = too_often(&shared.attempts, now, shared) {
        return busy;
    }
    let Ok(body) = Limited::new(request.into_body(), MAX_BODY).collect().await else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "that is too much for a code");
    };
    let Ok(Login { code }) = serde_json::from_slice(&body.to_bytes()) else {
        return problem(StatusCode::BAD_REQUEST, "that is no code");
    };
    if !shared.codes.redeem(&code) {
        shared.counters.count(Count::Refused);
        return problem(StatusCode::UNAUTHORIZED, "that is not the code");
    }
    info!("somebody has opened the dashboard with the code");
    shared.counters.count(Count::Login);
    let cookie = shared.sessions.begin(&*shared.rng, Instant::now());
    with_cookie(empty(StatusCode::NO_CONTENT), &cookie)
}

fn known<S: Shown>(request: &Request<Incoming>, shared: &Shared<S>, now: Instant) -> bool {
    shared.sessions.knows(&cookies(request.headers()), now)
}

/// All `Cookie` headers as one.
fn cookies(headers: &HeaderMap) -> String {
    let all: Vec<_> = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    all.join("; ")
}

fn unknown<S: Shown>(shared: &Shared<S>) -> Answer {
    shared.counters.count(Count::Refused);
    problem(
        StatusCode::UNAUTHORIZED,
        "open the dashboard and type the code first",
    )
}

/// Takes one from a rate, or says why not.
fn too_often<S: Shown>(rate: &Mutex<Rate>, now: Instant, shared: &Shared<S>) -> Option<Answer> {
    let taken = rate
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take(now);
    taken.err().map(|wait| {
        shared.counters.count(Count::Limited);
        let mut answer = problem(StatusCode::TOO_MANY_REQUESTS, "too often: wait a moment");
        let seconds = wait.as_secs() + 1;
        header(&mut answer, RETRY_AFTER, &seconds.to_string());
        answer
    })
}

fn wrong_method() -> Answer {
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, "that cannot be done here");
    header(&mut answer, ALLOW, "GET");
    answer
}

fn json(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = dressed(status, body);
    header(&mut answer, CONTENT_TYPE, "application/json");
    answer
}

fn with_cookie(mut answer: Answer, cookie: &str) -> Answer {
    header(&mut answer, SET_COOKIE, cookie);
    answer
}

/// With the headers that every answer has.
fn dressed(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    answer
}

fn header(answer: &mut Answer, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}
