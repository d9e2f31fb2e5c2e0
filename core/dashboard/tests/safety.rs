//! Who may use the dashboard, and what it bears (docs/dashboard.md).

#[allow(dead_code)]
mod support;

use std::{sync::Arc, time::Duration};

use serde_json::json;
use sovereign_dashboard::{Limits, Options, bind};
use sovereign_node::adapters::rng::SeededRng;
use support::{Served, serve};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

async fn dashboard() -> Served {
    serve(Limits::default()).await
}

#[tokio::test]
async fn others_cannot_reach_it() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let options = Options {
            address: address.parse().unwrap(),
            settings: Vec::new(),
            rng: Arc::new(SeededRng::new(1)),
            limits: Limits::default(),
        };
        let error = bind(options).await.unwrap_err().to_string();
        assert!(error.contains("not a loopback address"), "{error}");
    }
}

#[tokio::test]
async fn the_page_is_given_to_everybody_and_what_it_shows_is_not() {
    let served = dashboard().await;
    let host = served.host();
    let page = served.ask("GET /", &[("Host", &host)], "").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<title>Sovereign</title>"));
    let origin = served.origin();
    for path in ["/api/live", "/api/counters"] {
        let headers = [("Host", &*host), ("Origin", &*origin)];
        let answer = served.ask(&format!("GET {path}"), &headers, "").await;
        assert_eq!(answer.status, 401, "{path}");
        let wrong = [headers[0], headers[1], ("Cookie", "sovereign-1=00")];
        assert_eq!(
            served.ask(&format!("GET {path}"), &wrong, "").await.status,
            401
        );
    }
    let asked = [("Host", &*host), ("Origin", &*origin)];
    let session = served.ask("GET /api/session", &asked, "").await;
    assert_eq!(
        (session.status, &*session.body),
        (200, "{\"session\":false}")
    );
    assert_eq!(served.counters.read().refused, 4);
}

#[tokio::test]
async fn every_answer_carries_the_policy() {
    let served = dashboard().await;
    let host = served.host();
    for (line, host) in [
        ("GET /", &*host),
        ("GET /nothing", &*host),
        ("GET /", "evil.example"),
        ("PUT /", &*host),
    ] {
        let headers = [("Host", host), ("Origin", &served.origin())];
        let answer = served.ask(line, &headers, "").await;
        let policy = &answer.headers["content-security-policy"];
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{line}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["cache-control"], "no-store");
        // No CORS: other origins read nothing.
        assert!(
            !answer
                .headers
                .keys()
                .any(|name| name.starts_with("access-control"))
        );
    }
}

#[tokio::test]
async fn dns_rebinding_gets_nothing() {
    // A page of evil.example, whose name points at 127.0.0.1 by now, is of the same origin for the browser.
    let served = dashboard().await;
    let cookie = served.log_in().await;
    let port = served.address.port();
    let host = format!("evil.example:{port}");
    let origin = format!("http://{host}");
    for line in [
        "GET /",
        "GET /app.js",
        "GET /api/session",
        "POST /api/session",
    ] {
        let headers = [("Host", &*host), ("Origin", &*origin), ("Cookie", &*cookie)];
        assert_eq!(served.ask(line, &headers, "").await.status, 403, "{line}");
    }
    let headers = [("host", &*host), ("origin", &*origin), ("cookie", &*cookie)];
    assert_eq!(served.live_refused(&headers).await, 403);
}

#[tokio::test]
async fn other_pages_get_nothing_even_with_the_cookie() {
    let served = dashboard().await;
    let cookie = served.log_in().await;
    let host = served.host();
    let code = served.code.borrow().clone();
    let body = json!({ "code": code }).to_string();
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
        let headers = [
            ("Host", &*host),
            ("Origin", origin),
            ("Content-Type", "application/json"),
            ("Cookie", &*cookie),
        ];
        let answer = served.ask("POST /api/session", &headers, &body).await;
        assert_eq!(answer.status, 403, "{origin}");
        // A cross-site WebSocket: browsers send the cookie of another site's page unless SameSite forbids it,
        // and do not ask the server before.
        let headers = [("origin", origin), ("cookie", &*cookie)];
        assert_eq!(served.live_refused(&headers).await, 403, "{origin}");
    }
    assert_eq!(served.live_refused(&[("cookie", &cookie)]).await, 403);
    // The code was not used up by them.
    assert_eq!(served.try_code(&code).await.status, 204);
}

#[tokio::test]
async fn a_live_connection_needs_a_session() {
    let served = dashboard().await;
    let origin = served.origin();
    assert_eq!(served.live_refused(&[("origin", &origin)]).await, 401);
    let cookie = served.log_in().await;
    let forged = format!("{}0", &cookie[..cookie.len() - 1]);
    for (cookie, status) in [(&*forged, 401), (&*cookie, 101)] {
        let headers = [("origin", &*origin), ("cookie", cookie)];
        assert_eq!(served.live_refused(&headers).await, status);
    }
    // Logged out.
    let host = served.host();
    let headers = [("Host", &*host), ("Origin", &*origin), ("Cookie", &*cookie)];
    let out = served.ask("DELETE /api/session", &headers, "").await;
    assert_eq!(out.status, 204);
    assert!(out.headers["set-cookie"].contains("Max-Age=0"));
    let headers = [("origin", &*origin), ("cookie", &*cookie)];
    assert_eq!(served.live_refused(&headers).await, 401);
}

#[tokio::test]
async fn a_code_works_once_and_its_cookie_is_for_this_site_only() {
    let served = dashboard().await;
    let code = served.code.borrow().clone();
    let answer = served.try_code(&code).await;
    assert_eq!(answer.status, 204);
    let cookie = &answer.headers["set-cookie"];
    for part in [
        "; HttpOnly",
        "; SameSite=Strict",
        "; Path=/",
        "; Max-Age=43200",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(served.try_code(&code).await.status, 401);
    let next = served.code.borrow().clone();
    assert_ne!(next, code);
    assert_eq!(served.try_code(&next).await.status, 204);
}

#[tokio::test]
async fn guessing_is_slowed_down_and_changes_the_code() {
    let served = serve(Limits {
        code_burst: 12,
        ..Limits::default()
    })
    .await;
    let code = served.code.borrow().clone();
    for _ in 0..10 {
        assert_eq!(served.try_code("AAAA-AAAA").await.status, 401);
    }
    assert_ne!(*served.code.borrow(), code);
    assert_eq!(served.try_code(&code).await.status, 401);
    assert_eq!(served.try_code("").await.status, 401);
    // Twelve at once, and no more, not even the right one.
    let right = served.code.borrow().clone();
    let limited = served.try_code(&right).await;
    assert_eq!(limited.status, 429);
    assert!(limited.headers["retry-after"].parse::<u64>().unwrap() >= 1);
    assert_eq!(served.counters.read().limited, 1);
}

#[tokio::test]
async fn requests_are_limited() {
    let served = serve(Limits {
        request_burst: 3,
        request_rate: 1,
        ..Limits::default()
    })
    .await;
    let host = served.host();
    // Strangers do not use up what our own page may ask.
    for _ in 0..10 {
        let refused = served.ask("GET /", &[("Host", "evil.example")], "").await;
        assert_eq!(refused.status, 403);
    }
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(served.ask("GET /", &[("Host", &host)], "").await.status);
    }
    assert_eq!(answers[..3], [200; 3]);
    assert!(answers.contains(&429), "{answers:?}");
}

#[tokio::test]
async fn what_is_too_large_or_broken_is_refused() {
    let served = serve(Limits {
        code_burst: 20,
        ..Limits::default()
    })
    .await;
    let (host, origin) = (served.host(), served.origin());
    let headers = [
        ("Host", &*host),
        ("Origin", &*origin),
        ("Content-Type", "application/json"),
    ];
    let of_size = |size: usize| format!("{{\"code\":\"{}\"}}", "x".repeat(size - 11));
    let post = async |body: &str| served.ask("POST /api/session", &headers, body).await;
    assert_eq!(post(&of_size(256)).await.status, 401);
    assert_eq!(post(&of_size(257)).await.status, 413);
    for broken in ["", "{}", "null", "{\"code\":1}", "{\"code\":\"\",\"x\":1}"] {
        assert_eq!(post(broken).await.status, 400, "{broken}");
    }
    let form = [
        headers[0],
        headers[1],
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    assert_eq!(
        served.ask("POST /api/session", &form, "{}").await.status,
        415
    );
    for line in [
        "PUT /api/session",
        "POST /api/live",
        "POST /",
        "DELETE /app.js",
    ] {
        assert_eq!(served.ask(line, &headers, "").await.status, 405, "{line}");
    }
    let long = "x".repeat(20_000);
    let head = [("Host", &*host), ("X-Long", &*long)];
    let answer = served.ask("GET /", &head, "").await;
    assert!(matches!(answer.status, 400 | 431), "{answer:?}");
    assert_eq!(served.raw(b"\0\0\0\0\r\n\r\n").await.status, 400);
}

#[tokio::test]
async fn who_says_nothing_is_left() {
    // hardening.md, attack 7.
    let served = serve(Limits {
        head: Duration::from_millis(50),
        connection: Duration::from_millis(200),
        connections: 1,
        ..Limits::default()
    })
    .await;
    let host = served.host();
    let mut slow = TcpStream::connect(served.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    let mut rest = Vec::new();
    // Ends only because the server gives up.
    let _ = slow.read_to_end(&mut rest).await;
    // Its place is free again.
    let mut status = 0;
    while status != 200 {
        status = served.ask("GET /", &[("Host", &host)], "").await.status;
    }
    // A body that never comes.
    let mut slow = TcpStream::connect(served.address).await.unwrap();
    let head = format!(
        "POST /api/session HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\
         Content-Type: application/json\r\nContent-Length: 20\r\n\r\n{{"
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest).await;
}
