//! Random worlds that can be run again: everything follows from one number, printed when the
//! test fails.

use std::hash::{BuildHasher, RandomState};

/// Set it to a printed seed to run that world again.
pub const VARIABLE: &str = "LATCHKEY_TEST_SEED";

/// Runs `test` with a random source, whose seed is printed when the test panics.
///
/// # Panics
/// When the test does, or when [`VARIABLE`] is set to something that is not a number.
pub fn with_seed<T>(test: impl FnOnce(&mut Random) -> T) -> T {
    let seed = match std::env::var(VARIABLE) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{VARIABLE}={text} is not a number")),
        Err(_) => RandomState::new().hash_one(VARIABLE),
    };
    let _printed = Printed(seed);
    test(&mut Random::new(seed))
}

struct Printed(u64);

impl Drop for Printed {
    #[expect(clippy::print_stderr, reason = "tests talk to people through stderr")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this world again: {VARIABLE}={}", self.0);
        }
    }
}

/// A source of numbers that look random and follow from the seed: SplitMix64 (Steele, Lea and
/// Flood, 2014). Not for secrets.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The source of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end`, `end` not included.
    ///
    /// # Panics
    /// When `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        assert!(end > 0, "nothing is below 0");
        (self.number() % end as u64) as usize
    }

    /// True once in `of` times.
    pub fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    /// One of the choices.
    ///
    /// # Panics
    /// When there are none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// The next `N` bytes: the entropy that the code under test is given.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.number().to_le_bytes()[..chunk.len()]);
        }
        bytes
    }

    /// A source of its own, for a task that runs beside this one.
    pub fn fork(&mut self) -> Self {
        Self(self.number())
    }
}
