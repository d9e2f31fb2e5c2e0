//! What a hostile peer may try (hardening #5, #15): each check has a frame that only it refuses.

use super::*;

proptest! {
    /// Hardening #5, #15: any frames at any time end in errors, steps or nothing.
    #[test]
    fn frames_in_any_order_never_panic(
        dialer: bool,
        own in 0u32..200,
        frames in proptest::collection::vec((0u8..6, any::<u32>(), any::<bool>(), proptest::collection::vec(any::<u8>(), 0..80)), 0..20),
    ) {
        let role = if dialer { Role::Dialer } else { Role::Listener };
        let mut side = session(role, 0..own);
        side.start();
        for (kind, number, more, data) in frames {
            let field: bytes::Bytes = data.clone().into();
            let body = match kind {
                0 => Body::Summary(Summary { count: number % 80, fingerprint: vec![1; 16].into(), ids: field, more, estimate: bytes::Bytes::new() }),
                1 => Body::Summary(opening(number % 300..number % 300 + 100)),
                2 => Body::Symbols(Symbols { start: number % 40, packed: field, more }),
                3 => symbols(number % 2 * 32, &stranger_symbols(0..32), more),
                4 => Body::More(More { count: number % 64 }),
                _ => Body::Done(Done {}),
            };
            let _ = side.on_frame(&body);
        }
    }
}

#[test]
fn contradictory_symbols_lead_to_a_list() {
    let own = SessionSet::new(key(), ids(0..100));
    let pure = |id: ShortId, count| Symbol {
        sum: id.0,
        check: key().check(id) as u32,
        count,
    };
    // A symbol that leaves an own id over, as if the other side had it twice.
    let mut encoder = Encoder::new(&key(), own.shorts());
    let first = encoder.symbols(0..1)[0];
    let again = own.shorts().next().unwrap();
    let with = |id: ShortId, sign| Symbol {
        sum: first.sum ^ id.0,
        check: first.check ^ key().check(id) as u32,
        count: first.count + sign,
    };
    let twice = with(again, 1);
    let mut listener = session(Role::Listener, 0..100);
    let steps = listener.on_frame(&symbols(0, &[twice], false)).unwrap();
    assert_eq!(asked(&steps), 0);
    // A symbol without an id that is not there.
    let foreign = key().short(&id(7_777));
    let without = with(foreign, -1);
    let mut listener = session(Role::Listener, 0..100);
    let steps = listener.on_frame(&symbols(0, &[without], false)).unwrap();
    assert_eq!(asked(&steps), 0);
    // One that decodes to itself for ever.
    let mut listener = session(Role::Listener, 0..0);
    let mut listener_set = session(Role::Listener, 0..65);
    let _ = listener_set.start();
    let cells = [pure(foreign, 1); 40];
    assert_eq!(
        asked(&listener_set.on_frame(&symbols(0, &cells, false)).unwrap()),
        32
    );
    assert_eq!(
        asked(&listener.on_frame(&symbols(0, &cells, false)).unwrap()),
        0
    );
    // After that no symbols are due any more.
    let more = symbols(40, &cells, false);
    assert_eq!(listener.on_frame(&more), Err(ReconcileError::Unexpected));
}

#[test]
fn symbols_follow_on_each_other_and_come_as_asked_for() {
    let mut listener = session(Role::Listener, 0..100);
    let all = stranger_symbols(0..100);
    let wrong = symbols(1, &all[..32], false);
    assert_eq!(
        listener.on_frame(&wrong),
        Err(ReconcileError::Sequence {
            start: 1,
            expected: 0
        })
    );
    let steps = listener.on_frame(&symbols(0, &all[..32], false)).unwrap();
    assert_eq!(asked(&steps), 32);
    for (frame, error) in [
        (
            symbols(0, &all[..32], false),
            ReconcileError::Sequence {
                start: 0,
                expected: 32,
            },
        ),
        (
            symbols(64, &all[..32], false),
            ReconcileError::Sequence {
                start: 64,
                expected: 32,
            },
        ),
        // Too few with the batch ended, enough without, too many.
        (symbols(32, &all[..31], false), ReconcileError::Symbols),
        (symbols(32, &all[..32], true), ReconcileError::Symbols),
        (symbols(32, &all[..33], false), ReconcileError::Symbols),
        (symbols(32, &all[..33], true), ReconcileError::Symbols),
        (
            Body::Symbols(Symbols {
                start: 32,
                packed: bytes::Bytes::new(),
                more: true,
            }),
            PackError::Length(0).into(),
        ),
        (
            Body::Symbols(Symbols {
                start: 32,
                packed: vec![1; 5].into(),
                more: true,
            }),
            PackError::Symbol.into(),
        ),
    ] {
        assert_eq!(listener.on_frame(&frame), Err(error));
    }
    // After all that the honest frames still count.
    let part = symbols(32, &all[32..50], true);
    assert_eq!(listener.on_frame(&part), Ok(vec![]));
    let rest = symbols(50, &all[50..64], false);
    assert_eq!(asked(&listener.on_frame(&rest).unwrap()), 32);
}

#[test]
fn a_first_batch_has_at_most_2048_symbols() {
    let all = stranger_symbols(0..2_049);
    let mut listener = session(Role::Listener, 0..100);
    for start in (0..2_040).step_by(60) {
        let frame = symbols(start as u32, &all[start..start + 60], true);
        assert_eq!(listener.on_frame(&frame), Ok(vec![]));
    }
    let beyond = symbols(2_040, &all[2_040..2_049], false);
    assert_eq!(listener.on_frame(&beyond), Err(ReconcileError::Symbols));
    let last = symbols(2_040, &all[2_040..2_048], false);
    assert_eq!(asked(&listener.on_frame(&last).unwrap()), 1_024);
}

#[test]
fn a_dialer_codes_what_is_asked_for_within_bounds() {
    let start = || {
        let mut dialer = session(Role::Dialer, 0..1_000);
        let answer = bodies(dialer.on_frame(&Body::Summary(opening(1..1_001))).unwrap());
        assert!(matches!(&answer[..], [Body::Symbols(s)] if s.start == 0 && !s.more));
        dialer
    };
    let more = |count| Body::More(More { count });
    let mut dialer = start();
    assert_eq!(dialer.on_frame(&more(31)), Err(ReconcileError::More(31)));
    assert_eq!(
        dialer.on_frame(&more(16_353)),
        Err(ReconcileError::More(16_353))
    );
    assert_eq!(
        dialer.on_frame(&more(u32::MAX)),
        Err(ReconcileError::More(u32::MAX))
    );
    let frames = bodies(dialer.on_frame(&more(16_352)).unwrap());
    let total: usize = frames
        .iter()
        .map(|body| match body {
            Body::Symbols(s) => riblt::unpack(&s.packed).unwrap().len(),
            other => panic!("Symbols, not {other:?}"),
        })
        .sum();
    assert_eq!(total, 16_352);
    assert_eq!(dialer.on_frame(&more(32)), Err(ReconcileError::More(32)));
    // A list can be asked for at any time, and once.
    let list = bodies(dialer.on_frame(&more(0)).unwrap());
    assert_eq!(list.len(), 9);
    assert_eq!(dialer.on_frame(&more(0)), Err(ReconcileError::Unexpected));
    let mut dialer = start();
    let next = bodies(dialer.on_frame(&more(32)).unwrap());
    assert!(matches!(&next[..], [Body::Symbols(s)] if s.start == 32 && !s.more));
    let next = bodies(dialer.on_frame(&more(40)).unwrap());
    assert!(matches!(&next[..], [Body::Symbols(s)] if s.start == 64));
}

#[test]
fn a_listener_lists_on_request_and_codes_nothing() {
    let mut listener = session(Role::Listener, 0..200);
    listener.start();
    let more = |count| Body::More(More { count });
    assert_eq!(listener.on_frame(&more(32)), Err(ReconcileError::More(32)));
    let list = bodies(listener.on_frame(&more(0)).unwrap());
    assert!(matches!(&list[..], [Body::Summary(a), Body::Summary(b)]
        if a.count == 200 && a.more && b.count == 0 && !b.more && b.ids.len() == 640));
    assert_eq!(listener.on_frame(&more(0)), Err(ReconcileError::Unexpected));
}

#[test]
fn frames_out_of_place_are_refused() {
    let unexpected = Err(ReconcileError::Unexpected);
    let summary = || Body::Summary(opening(2..102));
    let small = || Body::Summary(opening(0..10));
    let done = Body::Done(Done {});
    let coded = || symbols(0, &stranger_symbols(0..32), false);
    let more = Body::More(More { count: 32 });
    // A dialer before the Summary.
    let mut dialer = session(Role::Dialer, 0..100);
    for body in [&coded(), &more, &done, &Body::Want(Want::default())] {
        assert_eq!(dialer.on_frame(body), unexpected);
    }
    // While the other side decodes: no second Summary, no symbols.
    assert!(dialer.on_frame(&summary()).is_ok());
    for body in [&summary(), &small(), &coded()] {
        assert_eq!(dialer.on_frame(body), unexpected);
    }
    assert_eq!(dialer.on_frame(&done), Ok(vec![Step::Finished]));
    for body in [&summary(), &coded(), &more] {
        assert_eq!(dialer.on_frame(body), unexpected);
    }
    assert_eq!(dialer.on_frame(&done), Ok(vec![]));
    // A listener whose ids are out waits for Done alone.
    let mut listener = session(Role::Listener, 0..10);
    listener.start();
    for body in [&small(), &coded(), &more, &Body::More(More { count: 0 })] {
        assert_eq!(listener.on_frame(body), unexpected);
    }
    assert_eq!(listener.on_frame(&done), Ok(vec![Step::Finished]));
    assert!(listener.is_finished());
    // A listener that decodes takes no Summary and codes nothing.
    let mut listener = session(Role::Listener, 0..100);
    listener.start();
    assert!(listener.on_frame(&coded()).is_ok());
    for body in [&small(), &more] {
        assert_eq!(listener.on_frame(body), unexpected);
    }
}

#[test]
fn broken_first_summaries_are_refused_and_change_nothing() {
    let estimate = opening(0..65).estimate;
    let cases: [(Summary, ReconcileError); 9] = [
        (
            Summary {
                count: MAX_SET + 1,
                ..opening(0..65)
            },
            ReconcileError::Count(MAX_SET + 1),
        ),
        (
            Summary {
                fingerprint: vec![0; 15].into(),
                ..opening(0..65)
            },
            ReconcileError::Fingerprint,
        ),
        (
            Summary {
                more: true,
                ..opening(0..65)
            },
            ReconcileError::Unexpected,
        ),
        (
            Summary {
                ids: vec![0; 8].into(),
                ..opening(0..65)
            },
            ReconcileError::Length { got: 8 },
        ),
        (
            Summary {
                estimate: bytes::Bytes::new(),
                ..opening(0..65)
            },
            ReconcileError::Estimate,
        ),
        (
            Summary {
                estimate,
                ..opening(0..64)
            },
            ReconcileError::Estimate,
        ),
        (
            Summary {
                count: 63,
                ..opening(0..64)
            },
            ReconcileError::Count(64),
        ),
        (
            Summary {
                count: 64,
                ..opening(0..63)
            },
            ReconcileError::Count(63),
        ),
        (
            Summary {
                ids: vec![0; 9].into(),
                ..opening(0..1)
            },
            ReconcileError::Length { got: 9 },
        ),
    ];
    let mut dialer = session(Role::Dialer, 0..100);
    for (summary, error) in cases {
        assert_eq!(dialer.on_frame(&Body::Summary(summary)), Err(error));
    }
    let greatest = Summary {
        count: MAX_SET,
        ..opening(0..65)
    };
    assert!(dialer.on_frame(&Body::Summary(greatest)).is_ok());
}

/// A frame of a list: short ids as given.
fn list_frame(count: u32, shorts: &[u64], more: bool) -> Summary {
    let shorts: Vec<_> = shorts.iter().copied().map(ShortId).collect();
    Summary {
        count,
        fingerprint: if count > 0 {
            vec![9; 16].into()
        } else {
            bytes::Bytes::new()
        },
        ids: frames::pack(&shorts),
        more,
        estimate: bytes::Bytes::new(),
    }
}

#[test]
fn broken_lists_are_refused_and_change_nothing() {
    let mut listener = session(Role::Listener, 0..100);
    let take = |listener: &mut Reconciliation, summary: Summary| {
        listener.on_frame(&Body::Summary(summary))
    };
    let beyond = MAX_SET + 1;
    for (summary, error) in [
        (
            list_frame(beyond, &[1], true),
            ReconcileError::Count(beyond),
        ),
        (
            Summary {
                fingerprint: vec![9; 15].into(),
                ..list_frame(1, &[1], false)
            },
            ReconcileError::Fingerprint,
        ),
        (list_frame(3, &[1, 1, 2], false), ReconcileError::Order),
        (list_frame(3, &[1, 3, 2], false), ReconcileError::Order),
        (list_frame(3, &[1, 2], false), ReconcileError::Count(2)),
        (list_frame(1, &[1, 2], false), ReconcileError::Count(2)),
        // More, where nothing can be left, or without progress.
        (list_frame(2, &[1, 2], true), ReconcileError::Count(2)),
        (list_frame(2, &[], true), ReconcileError::Count(0)),
        (
            Summary {
                estimate: vec![0; 64].into(),
                ..list_frame(1, &[1], false)
            },
            ReconcileError::Estimate,
        ),
    ] {
        assert_eq!(take(&mut listener, summary), Err(error));
    }
    assert_eq!(
        take(&mut listener, list_frame(4, &[1, 5], true)),
        Ok(vec![])
    );
    let continuation = |shorts: &[u64], more| list_frame(0, shorts, more);
    for (summary, error) in [
        (continuation(&[5, 6], false), ReconcileError::Order),
        (continuation(&[4, 6], false), ReconcileError::Order),
        (continuation(&[6, 7], true), ReconcileError::Count(4)),
        (continuation(&[6], false), ReconcileError::Count(3)),
        (continuation(&[], true), ReconcileError::Count(2)),
        (list_frame(2, &[6, 7], false), ReconcileError::Count(2)),
        (
            Summary {
                fingerprint: vec![9; 16].into(),
                ..continuation(&[6, 7], false)
            },
            ReconcileError::Fingerprint,
        ),
        (
            Summary {
                estimate: vec![0; 64].into(),
                ..continuation(&[6, 7], false)
            },
            ReconcileError::Estimate,
        ),
    ] {
        assert_eq!(take(&mut listener, summary), Err(error));
    }
    let steps = take(&mut listener, continuation(&[6, 7], false)).unwrap();
    let Step::Difference { lack, offer } = &steps[0] else {
        panic!("a difference")
    };
    assert_eq!(*lack, [1, 5, 6, 7].map(ShortId));
    assert_eq!(offer.len(), 100);
}

#[test]
fn a_list_that_never_ends_costs_no_more_than_its_cap() {
    let mut listener = session(Role::Listener, 0..100);
    let frame = 120u64;
    for n in 0..u64::from(MAX_SET) / frame {
        let shorts: Vec<u64> = (n * frame..(n + 1) * frame).collect();
        let count = if n == 0 { MAX_SET } else { 0 };
        let steps = listener.on_frame(&Body::Summary(list_frame(count, &shorts, true)));
        assert_eq!(steps, Ok(vec![]));
    }
    let left = u64::from(MAX_SET) % frame;
    let last: Vec<u64> = (0..left).map(|n| u64::from(MAX_SET) - left + n).collect();
    let steps = listener
        .on_frame(&Body::Summary(list_frame(0, &last, false)))
        .unwrap();
    let Step::Difference { lack, .. } = &steps[0] else {
        panic!("a difference")
    };
    assert_eq!(lack.len(), MAX_LACK);
}
