use proptest::prelude::*;

use super::*;

fn tags() -> TagKeys {
    TagKeys::new([(1, [7; 32]), (2, [9; 32])]).unwrap()
}

fn words() -> impl Strategy<Value = Word> {
    proptest::sample::select(Word::ALL.to_vec())
}

#[test]
fn tags_without_a_key_do_not_exist() {
    assert!(TagKeys::new([]).is_none());
}

#[test]
fn a_credential_with_an_old_tag_version_still_reads() {
    let old = TagKeys::new([(1, [7; 32])]).unwrap();
    let text = mint(Word::Key, &[1; 16], 0, &[2; 32], &old);
    assert!(parse(text.expose(), &tags()).is_ok());
}

#[test]
fn a_credential_of_another_server_is_refused_offline_though_it_looks_genuine() {
    let other = TagKeys::new([(2, [8; 32])]).unwrap();
    let text = mint(Word::Key, &[1; 16], 0, &[2; 32], &other);
    assert!(looks_genuine(text.expose()));
    assert_eq!(parse(text.expose(), &tags()), Err(Malformed));
}

#[test]
fn one_pattern_names_every_word_and_length() {
    let words = Word::ALL.map(Word::as_str).join("|");
    let rest = SECRET + CHECKSUM;
    let letters = "[0-9A-Za-z]";
    assert_eq!(
        PATTERN,
        format!("lk_({words})_{letters}{{{PUBLIC}}}_{letters}{{{rest}}}")
    );
}

proptest! {
    #[test]
    fn a_minted_credential_reads_back(
        word in words(), id: [u8; 16], generation in 0..=MAX_GENERATION, secret: [u8; 32],
    ) {
        let text = mint(word, &id, generation, &secret, &tags());
        prop_assert_eq!(parse(text.expose(), &tags()), Ok(Parsed { word, id, generation, tag_version: 2 }));
        prop_assert!(looks_genuine(text.expose()));
        let body = text.expose().split('_').collect::<Vec<_>>();
        prop_assert_eq!(body.len(), 4);
        prop_assert_eq!((body[2].len(), body[3].len()), (33, 50));
    }

    #[test]
    fn one_changed_character_is_refused_offline(
        word in words(), id: [u8; 16], secret: [u8; 32], place: prop::sample::Index, to in " -~",
    ) {
        let text = mint(word, &id, 0, &secret, &tags());
        let mut changed = text.expose().as_bytes().to_vec();
        let place = place.index(changed.len());
        prop_assume!(changed[place] != to.as_bytes()[0]);
        changed[place] = to.as_bytes()[0];
        let changed = String::from_utf8(changed).unwrap();
        prop_assert_eq!(parse(&changed, &tags()), Err(Malformed));
        prop_assert!(!looks_genuine(&changed));
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,120}") {
        prop_assert_eq!(parse(&text, &tags()), Err(Malformed));
        looks_genuine(&text);
    }
}
