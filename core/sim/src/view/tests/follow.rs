use super::*;

#[test]
fn a_message_is_followed_from_hand_to_hand() {
    let spread = look!(small(), Spread, Look::Spread { message: 0 });
    assert_eq!(
        spread.reached,
        [
            Reached(1, 6_000, Some(0), 1, Some(6_000)),
            Reached(2, 7_000, Some(1), 1, Some(9_000)),
            // The run could not tell from whom, and a policy run's links are not followed.
            Reached(3, 63_000, None, 0, Some(63_000)),
        ]
    );
    assert_eq!((spread.members, spread.copies), (3, 4));
    assert_eq!((spread.written.holders, spread.written.delivered), (3, 3));
    assert_eq!(spread.within_ms, Some([4_000, 58_000, 58_000]));
    assert_eq!(spread.curve.first(), Some(&(5_000, 0, 0)));
    assert_eq!(spread.curve.last(), Some(&(63_000, 3, 3)));
    let unheard = look!(small(), Spread, Look::Spread { message: 1 });
    assert!(unheard.reached.is_empty() && unheard.within_ms.is_none());
}

#[test]
fn where_nodes_do_not_tell_the_only_neighbour_who_had_it_is_named() {
    let fidelity = "full".to_owned();
    let mut all = records();
    for record in &mut all {
        // Whole nodes name themselves.
        if let What::Copy { from, .. } = &mut record.what {
            *from = record.who;
        }
    }
    let recording = opened(
        &Header {
            fidelity,
            ..header()
        },
        &all,
    );
    let spread = look!(recording, Spread, Look::Spread { message: 0 });
    let from: Vec<_> = spread.reached.iter().map(|row| (row.2, row.3)).collect();
    assert_eq!(from, [(Some(0), 1), (Some(1), 1), (Some(0), 1)]);
    // With a second neighbour who has it, it may be either.
    let place = all.iter().position(|it| it.at_ms == 62_000).unwrap();
    all.insert(place, at(62_000, 3, up(1)));
    let fidelity = "full".to_owned();
    let recording = opened(
        &Header {
            fidelity,
            ..header()
        },
        &all,
    );
    let spread = look!(recording, Spread, Look::Spread { message: 0 });
    assert_eq!(spread.reached[2], Reached(3, 63_000, None, 2, Some(63_000)));
}

#[test]
fn a_persons_messages_and_energy_are_told() {
    let person = look!(small(), Person, Look::Person { who: 0 });
    assert_eq!(
        person.messages,
        [Had(0, 5_000, Some(0), None), Had(1, 64_000, Some(0), None)]
    );
    let (at_ms, joules) = person.joules[1];
    assert_eq!(at_ms, 70_000);
    assert!((joules - 49.68).abs() < 1e-9, "{joules}");
    let person = look!(small(), Person, Look::Person { who: 2 });
    assert_eq!(person.messages, [Had(0, 7_000, Some(1), Some(9_000))]);
    assert_eq!(person.had, 1);
}

#[test]
fn messages_are_listed_by_number() {
    let numbers = |from| -> Vec<u32> {
        let listed = look!(small(), Messages, Look::Messages { from });
        listed.messages.iter().map(|it| it.message).collect()
    };
    assert_eq!(numbers(0), [0, 1]);
    assert_eq!(numbers(1), [1]);
    assert!(numbers(u32::MAX).is_empty());
}

#[test]
fn long_lists_are_cut_and_counted() {
    let crowd = MAX_ROWS as u32 + 2;
    let header = Header {
        people: crowd,
        groups: vec![("crowd".to_owned(), crowd)],
        channels: vec![("#all".to_owned(), crowd)],
        ..header()
    };
    let mut all = vec![at(0, 0, said(0))];
    for who in 1..crowd {
        all.push(at(u64::from(who), who, copy(0, 0, false)));
        all.push(at(u64::from(who), who, read(0)));
    }
    let recording = opened(&header, &all);
    let spread = look!(recording, Spread, Look::Spread { message: 0 });
    assert_eq!(spread.reached.len(), MAX_ROWS);
    assert_eq!(
        (spread.written.holders, spread.members),
        (crowd - 1, crowd - 1)
    );
    assert_eq!(
        spread.curve.last(),
        Some(&(u64::from(crowd) - 1, crowd - 1, crowd - 1))
    );
    let talk: Vec<Record> = (0..crowd).map(|number| at(1, 0, said(number))).collect();
    let recording = opened(&header, &talk);
    let person = look!(recording, Person, Look::Person { who: 0 });
    assert_eq!((person.messages.len(), person.had), (MAX_ROWS, crowd));
    let listed = look!(recording, Messages, Look::Messages { from: 1 });
    assert_eq!(listed.messages.len(), MAX_MESSAGES);
    assert_eq!(listed.messages[0].message, 1);
}
