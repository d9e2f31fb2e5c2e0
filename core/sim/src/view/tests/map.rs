use super::*;

#[test]
fn the_state_at_a_time_is_that_of_all_records_until_then() {
    let recording = small();
    let before = frame(&recording, 1_999);
    assert_eq!(before.links, [Wire(0, 1, Over::Ble, Some(-70))]);
    let two = frame(&recording, 2_000);
    assert_eq!(two.totals.links, [2, 0, 0]);
    // Backwards, too: what was read last does not stand in the way.
    assert_eq!(frame(&recording, 1_999), before);
    let late = frame(&recording, 13_000);
    assert_eq!(
        (late.totals.here, late.totals.on, late.totals.said),
        (3, 2, 1)
    );
    let phones: Vec<_> = late.people.iter().map(|dot| (dot.who, dot.phone)).collect();
    assert_eq!(phones, [(0, Phone::On), (1, Phone::On), (2, Phone::Asleep)]);
    assert_eq!(
        late.people[0],
        Dot {
            who: 0,
            from: (0, 0),
            departs_ms: 10_000,
            to: (100, 0),
            arrives_ms: 20_000,
            phone: Phone::On,
            internet: true
        }
    );
    assert_eq!(frame(&recording, u64::MAX).totals.here, 4);
}

#[test]
fn a_frame_and_the_changes_after_it_are_the_later_frame() {
    let recording = small();
    let told = changes(&recording, 6_000, 12_000);
    let whats: Vec<_> = told.changes.iter().map(|it| (it.at_ms, it.what)).collect();
    assert_eq!(whats.len(), 3);
    assert!(matches!(
        whats[0],
        (10_000, Changed::Dot(Dot { who: 0, .. }))
    ));
    assert_eq!(
        whats[1],
        (11_000, Changed::Down(Wire(1, 2, Over::Ble, None)))
    );
    assert!(matches!(
        whats[2],
        (
            12_000,
            Changed::Dot(Dot {
                who: 2,
                phone: Phone::Asleep,
                ..
            })
        )
    ));
    assert_eq!((told.to_ms, told.skipped), (12_000, false));
    assert_eq!(told.totals, frame(&recording, 12_000).totals);
    // From what was read last, and from the beginning: alike.
    let again = changes(&recording, 6_000, 12_000);
    assert_eq!(again, told);
    assert!(changes(&recording, 12_000, 12_000).changes.is_empty());
    assert_eq!(changes(&recording, 12_000, 5).to_ms, 12_000);
}

/// `count` links that come and go, one a millisecond or all at once.
fn busy(count: usize, apart: u64) -> Recording {
    let mut all = vec![
        at(0, 0, What::Placed { x: 0, y: 0 }),
        at(0, 1, What::Placed { x: 0, y: 0 }),
    ];
    all.extend((0..count).map(|number| {
        let what = if number % 2 == 0 { up(1) } else { down(1) };
        at(1 + number as u64 * apart, 0, what)
    }));
    opened(&header(), &all)
}

#[test]
fn answers_are_bounded_and_go_on_where_they_ended() {
    let half = MAX_CHANGES / 2;
    let recording = busy(half + 10, 1);
    let first = changes(&recording, 0, 100_000);
    assert_eq!((first.changes.len(), first.to_ms), (half, half as u64));
    let rest = changes(&recording, first.to_ms, 100_000);
    assert_eq!((rest.changes.len(), rest.to_ms), (10, 100_000));
    // What happens at one instant is told whole, as long as there is room.
    let instant = changes(&busy(MAX_CHANGES, 0), 0, 100_000);
    assert_eq!(
        (instant.changes.len(), instant.skipped),
        (MAX_CHANGES, false)
    );
    let over = changes(&busy(MAX_CHANGES + 1, 0), 0, 100_000);
    assert_eq!((over.changes.len(), over.skipped), (0, true));
    assert_eq!(over.totals.links, [1, 0, 0]);
}

#[test]
fn of_a_great_crowd_some_are_drawn_and_whoever_is_followed() {
    let header = Header {
        people: 6_001,
        groups: vec![("crowd".to_owned(), 6_001)],
        ..header()
    };
    let mut all: Vec<Record> = (0..header.people)
        .map(|who| at(0, who, What::Placed { x: 0, y: 0 }))
        .collect();
    all.extend([
        at(1, 1, up(2)),
        at(1, 3, up(6)),
        at(5, 1, up(4)),
        at(6, 4, What::On),
    ]);
    let recording = opened(&header, &all);
    assert_eq!(recording.about().drawn_every, 3);
    let at_ms = 2;
    let none = look!(
        recording,
        Frame,
        Look::Frame {
            at_ms,
            person: None
        }
    );
    assert_eq!(none.people.len(), 2_001);
    assert_eq!(none.links, [Wire(3, 6, Over::Ble, Some(-70))]);
    assert_eq!((none.totals.here, none.totals.links), (6_001, [2, 0, 0]));
    let person = Some(1);
    let followed = look!(recording, Frame, Look::Frame { at_ms, person });
    assert_eq!(followed.people.len(), 2_003);
    assert_eq!(followed.links.len(), 2);
    let (from_ms, to_ms) = (2, 10);
    let told = look!(
        recording,
        Changes,
        Look::Changes {
            from_ms,
            to_ms,
            person
        }
    );
    // The new neighbour comes with its link, and is drawn from then on.
    let kinds: Vec<bool> = told
        .changes
        .iter()
        .map(|it| matches!(it.what, Changed::Dot(Dot { who: 4, .. })))
        .collect();
    assert_eq!(kinds, [true, false, true]);
    assert!(changes(&recording, 2, 10).changes.is_empty());
}

#[test]
fn of_very_many_links_some_are_drawn_and_all_of_whoever_is_followed() {
    let header = Header {
        people: 200,
        groups: vec![("crowd".to_owned(), 200)],
        ..header()
    };
    let pairs = (0..200).flat_map(|one| (one + 1..200).map(move |other| (one, other)));
    let mut all: Vec<Record> = (0..200)
        .map(|who| at(0, who, What::Placed { x: 0, y: 0 }))
        .collect();
    all.extend(
        pairs
            .take(MAX_WIRES)
            .map(|(one, other)| at(1, one, up(other))),
    );
    let links = |recording: &Recording, person| {
        look!(recording, Frame, Look::Frame { at_ms: 2, person }).links
    };
    let recording = opened(&header, &all);
    assert_eq!(links(&recording, None).len(), MAX_WIRES);
    all.push(at(1, 198, up(199)));
    let recording = opened(&header, &all);
    let some = links(&recording, None);
    assert_eq!(some.len(), MAX_WIRES.div_ceil(2));
    let followed = links(&recording, Some(0));
    let own = |links: &[Wire]| links.iter().filter(|wire| wire.0 == 0).count();
    assert_eq!((own(&some), own(&followed)), (99, 199));
}
