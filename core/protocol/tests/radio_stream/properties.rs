//! Whatever the air does short of losing everything, the same bytes arrive; whatever a peer sends, nothing
//! breaks and no more memory is held than stated (LOC-4, hardening 5 to 7).

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use sovereign_protocol::radio::stream::{Ack, End, Frame, MAX_MEMORY, Reason, Stream, WINDOW};

use crate::air::{Air, Link, ms};

const DAY: Duration = Duration::from_secs(86_400);

fn air() -> impl Strategy<Value = Air> {
    let cut = (0_u64..8_000, 1_u64..6_000).prop_map(|(at, len)| (ms(at), ms(at + len)));
    (
        20_usize..=495,
        prop_oneof![Just(0), 0_u32..100, 100_u32..600],
        0_u32..300,
        0_u32..=16,
        0_u64..=200,
        vec(cut, 0..3),
        any::<u64>(),
    )
        .prop_map(|(max_frame, loss, twice, spread, delay, cuts, seed)| Air {
            max_frame,
            rate: 20_000,
            delay: ms(delay),
            loss,
            twice,
            spread,
            cuts,
            seed,
        })
}

/// Both sides write and close; the readers pause now and then.
fn exchange(air: Air, lens: [usize; 2], pause: u64) {
    let mut link = Link::new(air);
    for (side, len) in lens.into_iter().enumerate() {
        link.sides[side].text = link.noise(len);
        link.sides[side].close = true;
    }
    link.sides[1].reads = pause == 0;
    let paused = |link: &Link| link.elapsed() >= ms(pause);
    link.run(DAY, paused);
    link.sides[1].reads = true;
    let bearable = link.air.loss <= 300;
    let delivered = link.run(DAY, Link::delivered);
    assert!(
        delivered || !bearable,
        "{:?}",
        link.sides.map(|side| side.stream)
    );
    for (from, to) in [(0, 1), (1, 0)] {
        let (text, got) = (&link.sides[from].text, &link.sides[to].got);
        assert!(text.starts_with(got) && (text.len() == got.len() || !delivered));
    }
    // A link that was given up says so, and nothing else goes wrong.
    let ends = link.sides.each_ref().map(|side| side.stream.end());
    let dead = |end| {
        matches!(
            end,
            Some(End::Silent | End::NeverOpened | End::Reset(Reason::Timeout))
        )
    };
    assert!(delivered || ends.into_iter().any(dead), "{ends:?}");
    assert!(link.memory <= MAX_MEMORY);
}

#[test]
fn three_hundred_bad_links_deliver_exactly_once_and_in_order() {
    for seed in 0..300 {
        let mut dice = Link::new(Air {
            seed,
            ..Air::default()
        });
        let at = u64::from(dice.below(4_000));
        let cut = (ms(at), ms(at + u64::from(dice.below(5_000))));
        let air = Air {
            max_frame: 20 + dice.below(476) as usize,
            loss: dice.below(301),
            twice: dice.below(200),
            spread: dice.below(17),
            delay: ms(u64::from(dice.below(200))),
            cuts: vec![cut],
            seed,
            ..Air::default()
        };
        let lens = [dice.below(20_000) as usize, dice.below(4_000) as usize];
        let pause = u64::from(dice.below(4)) * 1_000;
        exchange(air, lens, pause);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_stream_arrives_whatever_the_air_does(
        air in air(),
        lens in [0_usize..20_000, 0_usize..5_000],
        pause in prop_oneof![Just(0), 0_u64..20_000],
    ) {
        exchange(air, lens, pause);
    }
}

/// Something like a frame: noise, or a frame with any fields.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![0_u16..300, any::<u16>()];
    let bits = prop_oneof![
        Just(0_u128),
        any::<u128>().prop_map(|bits| bits & (u128::MAX >> 9))
    ];
    let ack = (number.clone(), 0..=WINDOW, bits).prop_map(|(next, credit, received)| Ack {
        next,
        credit,
        received,
    });
    let data = (
        number,
        0_u8..40,
        any::<bool>(),
        proptest::option::of(ack.clone()),
        0_usize..=474,
    )
        .prop_map(|(number, last, poll, ack, len)| {
            let (last, payload) = (last == 0, vec![7; len].into());
            Frame::Data {
                number,
                last,
                poll,
                ack,
                payload,
            }
            .encode()
            .to_vec()
        });
    prop_oneof![
        1 => vec(any::<u8>(), 0..=500),
        8 => data,
        2 => (any::<bool>(), ack).prop_map(|(poll, ack)| Frame::Ack { poll, ack }.encode().to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_frames_break_a_stream_or_fill_its_memory(
        frames in vec((frame(), 0_u64..100, any::<bool>()), 1..400),
        written in 0_usize..4_000,
        max_frame in 0_usize..600,
    ) {
        let mut now = Duration::ZERO;
        let mut stream = Stream::new(max_frame, now);
        let mut left = vec![1; written];
        for (frame, wait, read) in frames {
            now += ms(wait);
            let taken = stream.write(&left, now);
            left.drain(..taken);
            let before = stream.end();
            let result = stream.on_frame(&frame, now);
            prop_assert!(before.is_none() || result.is_err());
            prop_assert!(stream.memory() <= MAX_MEMORY);
            if read {
                stream.read(&mut [0; 700]);
            }
            for _ in 0..3 {
                let Some(out) = stream.poll_transmit(now) else { break };
                // What it says decodes, and fits.
                prop_assert!(out.len() <= max_frame.clamp(20, 495));
                prop_assert!(Frame::decode(&out).is_ok());
            }
            prop_assert!(stream.timeout().is_none_or(|at| at > now));
        }
    }

    #[test]
    fn what_decodes_is_the_only_encoding(bytes in vec(any::<u8>(), 0..30)) {
        if let Ok(frame) = Frame::decode(&bytes) {
            let unknown = matches!(frame, Frame::Reset { reason: Reason::Unspecified });
            prop_assert!(unknown || frame.encode() == bytes);
        }
    }
}
