//! Pages by the last identifier seen: a page neither skips nor repeats what was there when it began.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credential::secret::Digest;

use super::request::{Query, bad_parameter};
use crate::problem::Problem;

/// The most things in one page: what a console shows and a script handles at once.
pub(super) const MAX_LIMIT: usize = 500;
/// The things in a page when nobody says.
pub(super) const LIMIT: usize = 100;
/// Bytes of the filter's digest in a cursor.
const TIE: usize = 8;

/// Where a page begins and how long it is.
pub(super) struct Page {
    /// The place of the last thing of the page before.
    after: Option<Vec<u8>>,
    /// The most things in it.
    pub(super) limit: usize,
    tie: [u8; TIE],
}

impl Page {
    /// Takes `limit` and `cursor` from the query. A cursor is good for the filter that it was given for, and no other.
    pub(super) fn take(query: &mut Query, of: &str) -> Result<Self, Problem> {
        let mut tie = [0; TIE];
        let digest = Digest::of(&format!("{of} {}", query.canonical(&["limit", "cursor"])));
        tie.copy_from_slice(&digest.as_bytes()[..TIE]);
        let expected = format!("a number from 1 to {MAX_LIMIT}");
        let limit = query.word(
            "limit",
            |text| {
                text.parse()
                    .ok()
                    .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            },
            &expected,
        )?;
        let after = query.word(
            "cursor",
            |text| {
                let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
                let (found, place) = bytes.split_first_chunk::<TIE>()?;
                (*found == tie).then(|| place.to_vec())
            },
            "the next_cursor of a page with the same filter",
        )?;
        Ok(Self {
            after,
            limit: limit.unwrap_or(LIMIT),
            tie,
        })
    }

    /// The place behind which the page begins.
    pub(super) fn after<T>(&self, read: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>, Problem> {
        let read = |place: &Vec<u8>| read(place).ok_or_else(bad_cursor);
        self.after.as_ref().map(read).transpose()
    }

    /// Cuts what was read, one more than the limit, to the page; the cursor of the next one if there are more.
    pub(super) fn cut<T>(
        &self,
        things: &mut Vec<T>,
        place: impl Fn(&T) -> Vec<u8>,
    ) -> Option<String> {
        let more = things.len() > self.limit;
        things.truncate(self.limit);
        things
            .last()
            .filter(|_| more)
            .map(|last| self.next(&place(last)))
    }

    fn next(&self, last: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode([self.tie.as_slice(), last].concat())
    }
}

/// The identifier that a cursor names.
pub(super) fn id<T>(from_bytes: fn([u8; 16]) -> T) -> impl Fn(&[u8]) -> Option<T> {
    move |place| place.try_into().ok().map(from_bytes)
}

/// The number that a cursor names.
pub(super) fn number(place: &[u8]) -> Option<i64> {
    place.try_into().ok().map(i64::from_be_bytes)
}

fn bad_cursor() -> Problem {
    bad_parameter(
        "cursor",
        "expected the next_cursor of a page with the same filter",
    )
}
