use super::*;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

const DAY: Duration = Duration::from_secs(86_400);

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1)
}

fn public(name: &str) -> ChannelKeys {
    ChannelKeys::public(&CanonicalName::parse(name).expect("a name"))
}

fn private() -> ChannelKeys {
    let label = Label::parse("Family").expect("a label");
    ChannelKeys::private(&label, &mut rng(), Duration::ZERO)
}

#[test]
fn everyone_who_knows_the_name_has_the_same_public_channel() {
    let (ours, theirs) = (public("#Town"), public("town"));
    assert!(ours == theirs);
    assert_eq!(ours.kind(), ChannelKind::Public);
    assert_eq!(ours.name(), "town");
    assert_eq!(ours.newest_epoch(), 0);
    assert!(ours.invite().is_none());
    assert_ne!(ours.id(), public("village").id());
    let bundle = ours.seal(b"hello", &mut rng()).expect("sealed");
    let opened = theirs.open(&bundle).expect("opened");
    assert_eq!((opened.epoch, &opened.envelope[..]), (0, &b"hello"[..]));
}

#[test]
fn public_channels_have_no_epochs() {
    let mut keys = public("town");
    assert!(!keys.authenticated(1, true, DAY));
    assert!(!keys.step(9 * DAY));
    assert!(!keys.forget(99 * DAY));
    assert_eq!(keys.newest_epoch(), 0);
    // What is sealed under a ratcheted chain key is not read ahead of time.
    let mut stepped = keys.clone();
    assert!(stepped.epochs.authenticated(1, true, DAY));
    let bundle = stepped.seal(b"x", &mut rng()).expect("sealed");
    assert_eq!(keys.open(&bundle), Err(OpenError::Key));
}

#[test]
fn ids_are_version_8_uuids() {
    // RFC 9562 §4: four bits of version, two of variant.
    let mut seen = [false; 4];
    for n in 0..64 {
        let id = public(&format!("c{n}")).id();
        assert_eq!(id.0[6] >> 4, 8);
        assert_eq!(id.0[8] >> 6, 0b10);
        seen[usize::from(id.0[8] >> 4 & 0b11)] = true;
    }
    assert_eq!(seen, [true; 4], "the other bits vary");
}

#[test]
fn a_member_joins_by_invitation_and_reads_from_then_on() {
    let mut ours = private();
    let before = ours.seal(b"before", &mut rng()).expect("sealed");
    assert!(ours.step(DAY), "who creates a channel may step alone, once");
    assert!(!ours.step(2 * DAY));
    let invite = ours.invite().expect("private");
    let mut theirs = ChannelKeys::from_invite(&invite, Duration::ZERO);
    assert_eq!(theirs.id(), ours.id());
    assert_eq!(
        (theirs.kind(), theirs.name()),
        (ChannelKind::Private, "Family")
    );
    assert_eq!(theirs.newest_epoch(), 1);
    assert!(!theirs.step(9 * DAY), "nobody was seen yet");
    let after = ours.seal(b"after", &mut rng()).expect("sealed");
    assert_eq!(theirs.open(&after).expect("opened").epoch, 1);
    assert_eq!(theirs.open(&before), Err(OpenError::Key));
    assert_eq!(&*ours.open(&before).expect("opened").envelope, b"before");
}

#[test]
fn opening_moves_nothing_and_authenticating_does() {
    let mut ahead = private();
    let mut behind = private();
    assert!(ahead.authenticated(1_024, true, DAY));
    let bundle = ahead.seal(b"hello", &mut rng()).expect("sealed");
    assert_eq!(behind.open(&bundle).expect("read ahead").epoch, 1_024);
    assert!(behind == private());
    assert!(behind.authenticated(1_024, true, DAY));
    assert_eq!(behind.newest_epoch(), 1_024);
    assert!(behind.forget(9 * DAY), "8 days after");
    assert!(!behind.forget(9 * DAY));
    let old = private().seal(b"old", &mut rng()).expect("sealed");
    assert_eq!(behind.open(&old), Err(OpenError::Key));
}

#[test]
fn bundles_of_other_channels_are_not_tried() {
    let ours = private();
    let other = public("town").seal(b"x", &mut rng()).expect("sealed");
    assert!(!ours.owns(&other));
    assert_eq!(ours.open(&other), Err(OpenError::Tag));
    let mine = ours.seal(b"x", &mut rng()).expect("sealed");
    assert!(ours.owns(&mine));
    // A tag lifted from a bundle of ours fits nothing else, not even the same nonce.
    let mut bytes = other.as_bytes().to_vec();
    bytes[2..26].copy_from_slice(&mine.as_bytes()[2..26]);
    let lifted = Bundle::parse(bytes.into()).expect("well formed");
    assert!(!ours.owns(&lifted));
    // One made with our tag key but a key of no epoch.
    let strange = bundle::seal(b"x", &[9; 32], &ours.tag_key, [1; 16]).expect("sealed");
    assert_eq!(ours.open(&strange), Err(OpenError::Key));
}

#[test]
fn errors_of_the_right_key_are_told() {
    let ours = private();
    let bundle = ours.seal(b"x", &mut rng()).expect("sealed");
    let mut bytes = bundle.as_bytes().to_vec();
    bytes[255] ^= 1;
    let damaged = Bundle::parse(bytes.into()).expect("well formed");
    assert_eq!(ours.open(&damaged), Err(OpenError::Decrypt));
    assert_eq!(
        ours.seal(&[0; 16_310], &mut rng()),
        Err(SealError::TooLong(16_310))
    );
}

#[test]
fn nonces_come_from_the_given_randomness() {
    let (ours, mut rng) = (private(), rng());
    let one = ours.seal(b"x", &mut rng).expect("sealed");
    let two = ours.seal(b"x", &mut rng).expect("sealed");
    assert_ne!(one.nonce(), two.nonce());
    assert_ne!(one.content_id(), two.content_id());
    let label = Label::parse("Family").expect("a label");
    let other = ChannelKeys::private(&label, &mut rng, Duration::ZERO);
    assert_ne!(other.id(), ours.id());
    assert_eq!(other.open(&one), Err(OpenError::Tag));
}

#[test]
fn member_tags_and_topics_differ_by_what_they_stand_for() {
    let keys = private();
    let tag = keys.member_tag(Role::Dialer, &[1; 32]);
    assert_ne!(tag, keys.member_tag(Role::Listener, &[1; 32]));
    assert_ne!(tag, keys.member_tag(Role::Dialer, &[2; 32]));
    assert_ne!(tag, public("town").member_tag(Role::Dialer, &[1; 32]));
    let topic = keys.topic(20_000);
    assert_ne!(topic, keys.topic(20_001));
    assert_ne!(topic, public("town").topic(20_000));
    // Both stay the same while the epochs move on.
    let mut later = keys.clone();
    assert!(later.step(DAY));
    assert_eq!(later.topic(20_000), topic);
    assert_eq!(later.member_tag(Role::Dialer, &[1; 32]), tag);
}

#[test]
fn authors_are_pseudonyms_in_public_and_identities_in_private() {
    // ID-3, decision 7.
    let alice = Identity::from_seed([1; 32]);
    let town = public("town");
    let author = town.signer(&alice).author();
    assert_eq!(author, alice.pseudonym(&town.id()).author());
    assert_eq!(private().signer(&alice).author().0, alice.public().0);
}

#[test]
fn records_bring_the_keys_back() {
    let mut keys = private();
    assert!(keys.step(DAY));
    for keys in [public("town"), keys] {
        let record = keys.to_record();
        assert_eq!(ChannelKeys::from_record(&record), Ok(keys));
    }
}

#[test]
fn damaged_records_are_refused() {
    let good = [public("town").to_record(), private().to_record()];
    let with = |which: usize, change: &dyn Fn(&mut ChannelRecord)| {
        let mut record = good[which].clone();
        change(&mut record);
        ChannelKeys::from_record(&record).map(|_| ())
    };
    assert_eq!(with(0, &|r| r.kind = 0), Err(RecordError::Kind(0)));
    assert_eq!(with(0, &|r| r.kind = 3), Err(RecordError::Kind(3)));
    for which in 0..2 {
        let short = |r: &mut ChannelRecord| r.fixed_secret.truncate(31);
        assert_eq!(with(which, &short), Err(RecordError::Secret));
        let long = |r: &mut ChannelRecord| r.name = "n".repeat(65);
        assert_eq!(with(which, &long), Err(RecordError::Name));
    }
    assert_eq!(with(0, &|r| r.name = "Town".into()), Err(RecordError::Name));
    assert_eq!(
        with(0, &|r| r.name = "city".into()),
        Err(RecordError::Secret)
    );
    assert_eq!(
        with(1, &|r| r.name = " Family".into()),
        Err(RecordError::Name)
    );
    assert_eq!(with(1, &|r| r.epochs.clear()), Err(RecordError::Epochs));
}

#[test]
fn debug_shows_no_secret() {
    let keys = private();
    let opened = keys.open(&keys.seal(b"hello", &mut rng()).expect("sealed"));
    let text = format!("{keys:?} {opened:?}");
    assert!(
        text.contains("Private, epochs: Epochs(0..=0)") && text.contains("epoch: 0"),
        "{text}"
    );
    for secret in [
        &keys.fixed,
        &keys.tag_key,
        &keys.member_key,
        keys.epochs.newest().1,
    ] {
        assert!(!text.contains(&hex::encode(&secret[..4])), "{text}");
        assert!(
            !text.contains(&format!("{}, {}", secret[0], secret[1])),
            "{text}"
        );
    }
    assert!(
        !text.contains("Family") && !text.contains("104, 101"),
        "{text}"
    );
}
