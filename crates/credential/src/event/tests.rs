use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const MAIN: &str = "main";

#[test]
fn words_read_back_and_never_repeat() {
    let mut seen = std::collections::BTreeSet::new();
    for action in Action::ALL {
        assert_eq!(action.as_str().parse(), Ok(*action));
        assert!(
            action.as_str().contains('.') && seen.insert(action.as_str()),
            "{action}"
        );
    }
    assert_eq!(Action::KeyRevoked.as_str(), "key.revoked");
    assert_eq!(
        serde_json::to_string(&Action::FamilyReused).unwrap(),
        r#""family.reused""#
    );
    assert!("key.exploded".parse::<Action>().is_err());
}

#[test]
fn the_hash_of_an_event_is_fixed_for_ever() {
    let mut event = event(1, 7);
    event.actor.address = Some("192.0.2.1".parse().unwrap());
    let hash: String = link(&genesis(MAIN), &event)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        hash,
        "3777c060af212e0d76b584c7b72fe2a83e3788abf751330795b91ca07eba3973"
    );
}

#[test]
fn every_field_of_an_event_is_in_its_hash() {
    let change: [fn(&mut Event); 14] = [
        |event| event.seq += 1,
        |event| event.at = Instant::from_millis(event.at.millis() + 1),
        |event| event.organization = None,
        |event| event.actor.kind = ActorKind::Key,
        |event| event.actor.id.push('x'),
        |event| event.actor.organization = event.organization,
        |event| event.actor.address = Some("::1".parse().unwrap()),
        |event| event.actor.request_id = Some(String::new()),
        |event| event.action = Action::KeyEnabled,
        |event| event.subject.kind = SubjectKind::Role,
        |event| event.subject.id.push('x'),
        |event| event.subject_version += 1,
        |event| event.row_digest[31] ^= 1,
        |event| event.detail.push(' '),
    ];
    let original = event(1, 7);
    for (number, change) in change.into_iter().enumerate() {
        let mut changed = original.clone();
        change(&mut changed);
        assert_ne!(
            link(&NO_ROW, &changed),
            link(&NO_ROW, &original),
            "change {number}"
        );
    }
    assert_ne!(link(&NO_ROW, &original), link(&[1; 32], &original));
    assert_ne!(genesis(MAIN), genesis("replica"));
    // Text that moves from one field to the next is another event.
    let (mut one, mut other) = (original.clone(), original);
    (one.actor.id, one.subject.id) = ("ab".to_owned(), "c".to_owned());
    (other.actor.id, other.subject.id) = ("a".to_owned(), "bc".to_owned());
    assert_ne!(link(&NO_ROW, &one), link(&NO_ROW, &other));
}

#[test]
fn a_checkpoint_is_signed_as_a_whole() {
    let key = signer(1);
    let good = checkpoint(&chain(3), 3, &key);
    assert!(good.is_signed_by(key.public_key().as_ref()));
    assert!(!good.is_signed_by(signer(2).public_key().as_ref()));
    assert!(!good.is_signed_by(&[]));
    let change: [fn(&mut Checkpoint); 6] = [
        |checkpoint| checkpoint.chain.push('x'),
        |checkpoint| checkpoint.seq += 1,
        |checkpoint| checkpoint.hash[0] ^= 1,
        |checkpoint| checkpoint.at = Instant::MAX,
        |checkpoint| checkpoint.key_id.push('x'),
        |checkpoint| checkpoint.signature.truncate(63),
    ];
    for (number, change) in change.into_iter().enumerate() {
        let mut changed = good.clone();
        change(&mut changed);
        assert!(
            !changed.is_signed_by(key.public_key().as_ref()),
            "change {number}"
        );
    }
}

#[test]
fn a_whole_chain_is_good_and_says_how_far_it_is_vouched_for() {
    let events = chain(9);
    let key = signer(1);
    let points = [checkpoint(&events, 3, &key), checkpoint(&events, 6, &key)];
    let head = |seq, sealed| {
        Ok(Head {
            seq,
            hash: events[seq as usize - 1].hash,
            sealed,
        })
    };
    assert_eq!(verify(&events, &points, None), head(9, 6));
    assert_eq!(verify(&events, &points, Some(9)), head(9, 9));
    assert_eq!(verify(&events, &[], None), head(9, 0));
    // Older events closed at a checkpoint: the chain begins there.
    let anchors = Anchors {
        start: (3, events[2].hash),
        checkpoints: &points,
        head: None,
    };
    assert_eq!(verify_chain(events[3..].to_vec(), anchors), head(9, 6));
    assert_eq!(
        verify_chain(
            [],
            Anchors {
                start: (0, genesis(MAIN)),
                checkpoints: &[],
                head: None
            }
        ),
        Ok(Head {
            seq: 0,
            hash: genesis(MAIN),
            sealed: 0
        })
    );
}

#[test]
fn a_chain_that_was_written_anew_disagrees_with_what_was_signed() {
    let events = chain(9);
    let points = [
        checkpoint(&events, 3, &signer(1)),
        checkpoint(&events, 6, &signer(1)),
    ];
    let mut forged: Vec<Event> = events.iter().map(|sealed| sealed.event.clone()).collect();
    forged[4].action = Action::KeyEnabled;
    assert_eq!(
        verify(&seal(forged), &points, None),
        Err(Break::Rewritten { since: 4, until: 6 })
    );
    // A cut tail, its hashes good as far as they go.
    assert_eq!(
        verify(&events[..5], &points, None),
        Err(Break::Truncated(5))
    );
    assert_eq!(
        verify(&events[..8], &points, None).map(|head| head.sealed),
        Ok(6)
    );
    assert_eq!(
        verify_to(&events[..8], &points, Some((9, events[8].hash))),
        Err(Break::Truncated(8))
    );
    // And one that goes on.
    assert_eq!(
        verify_to(&events, &points, Some((8, events[7].hash))),
        Err(Break::Appended(9))
    );
    // The events of another chain.
    let mut hash = genesis("other");
    let other: Vec<Sealed> = chain(3)
        .into_iter()
        .map(|Sealed { event, .. }| {
            hash = link(&hash, &event);
            Sealed { event, hash }
        })
        .collect();
    assert_eq!(verify(&other, &[], None), Err(Break::Changed(1)));
}

proptest! {
    #[test]
    fn the_first_bad_place_is_named(length in 2_usize..30, place in any::<Index>(), kind in 0..6) {
        let good = chain(length);
        let head = (length as i64, good[length - 1].hash);
        let at = place.index(length);
        let seq = at as i64 + 1;
        let mut events = good.clone();
        let expected = match kind {
            0 => {
                events[at].event.detail = "{\"changed\":true}".to_owned();
                Break::Changed(seq)
            }
            1 => {
                events[at].hash[at % 32] ^= 1;
                Break::Changed(seq)
            }
            2 => {
                events.remove(at);
                if at == length - 1 { Break::Truncated(seq - 1) } else { Break::Missing(seq) }
            }
            3 => {
                let at = at.min(length - 2);
                events.swap(at, at + 1);
                Break::Missing(at as i64 + 1)
            }
            4 => {
                // Swapped in content, each at the other's place.
                let at = at.min(length - 2);
                events.swap(at, at + 1);
                (events[at].event.seq, events[at + 1].event.seq) = (at as i64 + 1, at as i64 + 2);
                Break::Changed(at as i64 + 1)
            }
            _ => {
                let mut more = event(length as i64 + 1, 99);
                more.action = Action::KeyEnabled;
                let hash = link(&head.1, &more);
                events.push(Sealed { event: more, hash });
                Break::Appended(length as i64 + 1)
            }
        };
        prop_assert_eq!(verify_to(&events, &[], Some(head)), Err(expected));
        prop_assert!(verify_to(&good, &[], Some(head)).is_ok());
        let mut twice = good.clone();
        twice.insert(at, good[at].clone());
        prop_assert_eq!(verify_to(&twice, &[], Some(head)), Err(Break::OutOfOrder(seq)));
    }
}

fn verify(events: &[Sealed], points: &[Checkpoint], head: Option<usize>) -> Result<Head, Break> {
    verify_to(
        events,
        points,
        head.map(|seq| (seq as i64, events[seq - 1].hash)),
    )
}

fn verify_to(
    events: &[Sealed],
    points: &[Checkpoint],
    head: Option<(i64, [u8; 32])>,
) -> Result<Head, Break> {
    verify_chain(
        events.to_vec(),
        Anchors {
            start: (0, genesis(MAIN)),
            checkpoints: points,
            head,
        },
    )
}

fn chain(length: usize) -> Vec<Sealed> {
    seal(
        (1..=length as i64)
            .map(|seq| event(seq, (seq % 7) as u8))
            .collect(),
    )
}

fn seal(events: Vec<Event>) -> Vec<Sealed> {
    let mut hash = genesis(MAIN);
    let seal = |event| {
        hash = link(&hash, &event);
        Sealed { event, hash }
    };
    events.into_iter().map(seal).collect()
}

fn event(seq: i64, salt: u8) -> Event {
    Event {
        seq,
        at: Instant::from_millis(1_700_000_000_000 + seq * 1000),
        organization: Some(OrganizationId::from_bytes([salt; 16])),
        actor: Actor::SYSTEM,
        action: Action::KeyDisabled,
        subject: Subject {
            kind: SubjectKind::Key,
            id: format!("key-{salt}"),
        },
        subject_version: seq,
        row_digest: digest(&[salt]),
        detail: "{}".to_owned(),
    }
}

fn checkpoint(events: &[Sealed], seq: usize, key: &Ed25519KeyPair) -> Checkpoint {
    let mut checkpoint = Checkpoint {
        chain: MAIN.to_owned(),
        seq: seq as i64,
        hash: events[seq - 1].hash,
        at: Instant::from_millis(1_700_000_100_000),
        key_id: "test".to_owned(),
        signature: Vec::new(),
    };
    checkpoint.signature = key.sign(&checkpoint.message()).as_ref().to_vec();
    checkpoint
}

fn signer(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}
