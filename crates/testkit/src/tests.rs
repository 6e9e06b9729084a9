use super::*;

on_each_engine! {
    async fn every_test_has_a_database_of_its_own(database: Database) {
        let other = Database::fresh(database.engine()).expect("there was one");
        assert_ne!(database.url(), other.url());
    }
}

#[test]
fn a_seed_says_everything() {
    let draw = |mut random: Random| (random.number(), random.below(10), random.bytes::<20>());
    assert_eq!(draw(Random::new(7)), draw(Random::new(7)));
    assert_ne!(draw(Random::new(7)), draw(Random::new(8)));
    assert_eq!(
        Random::new(0).number(),
        0xe220_a839_7b1d_cdaf,
        "the published first number of seed 0"
    );
}
