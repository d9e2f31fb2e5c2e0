//! What the protocol crate decodes, as fuzz targets: pure functions of bytes that panic when something
//! untrusted breaks a promise. Shared by the libFuzzer binaries of this folder and by
//! `core/protocol/tests/fuzz.rs`, which runs the committed corpus and mutations of it on stable Rust
//! (hardening 5 and 6).

#[path = "targets/air.rs"]
pub(crate) mod air;
#[path = "targets/engine.rs"]
pub(crate) mod engine;
#[path = "targets/input.rs"]
pub(crate) mod input;
#[path = "targets/link.rs"]
pub(crate) mod link;
#[path = "targets/message.rs"]
pub(crate) mod message;
#[path = "targets/parts.rs"]
pub(crate) mod parts;
#[path = "targets/people.rs"]
pub(crate) mod people;
#[path = "targets/reconcile.rs"]
pub(crate) mod reconcile;
#[path = "targets/restore.rs"]
pub(crate) mod restore;

/// A target: its name, which is its folder in the corpus, the function, and how many mutations a plain
/// test run makes of its corpus: about the same time for each.
pub(crate) type Target = (&'static str, fn(&[u8]), u32);

/// All targets of the protocol crate.
pub(crate) const TARGETS: &[Target] = &[
    ("frame", link::frame, 80_000),
    ("session", link::session, 16_000),
    ("parts", parts::parts, 8_000),
    ("reconcile", reconcile::reconcile, 600),
    ("reconcile_pair", reconcile::reconcile_pair, 240),
    ("riblt", reconcile::riblt, 8_000),
    ("estimate", reconcile::estimate, 80_000),
    ("bundle", message::bundle, 2_000),
    ("envelope", message::envelope, 6_000),
    ("envelope_signed", message::envelope_signed, 4_000),
    ("text", message::text, 40_000),
    ("archive", message::archive, 1_600),
    ("name", people::name, 40_000),
    ("invite", people::invite, 8_000),
    ("binding", people::binding, 4_000),
    ("ids", people::ids, 80_000),
    ("advert", air::advert, 80_000),
    ("records", restore::records, 4_000),
    ("restore", restore::restore, 600),
    ("engine", engine::engine, 400),
];
