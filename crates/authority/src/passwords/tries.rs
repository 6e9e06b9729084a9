//! Wrong tries, counted by e-mail address: of an address that nobody has too, so that being locked out tells nothing.
//!
//! A try counts from when it begins, so that many at once are not more than many in a row; a good one wipes the slate.

use std::collections::HashMap;

use credential::organization::Email;
use credential::secret::Digest;
use credential::time::{Instant, Span};

/// Wrong tries within [`WINDOW`] after which further ones are not looked at.
pub(crate) const MAX_TRIES: usize = 5;
/// How long a wrong try counts.
pub(crate) const WINDOW: Span = Span::from_minutes(15);
/// Addresses that are remembered, some 100 bytes each. Pushing one out takes as many other addresses within the window,
/// each of which costs a hash: minutes of all that the process can do, for five more tries.
const MAX_ADDRESSES: usize = 16_384;
/// Events of wrong tries that are written in a minute: enough to see an attack, too few to drown the trail.
const MAX_TOLD: u32 = 60;
const TOLD_WITHIN: Span = Span::from_minutes(1);

/// See the module's text.
#[derive(Default)]
pub(crate) struct Tries {
    /// By the digest of the address: when each of the tries that count began, the oldest first.
    addresses: HashMap<[u8; 32], Vec<Instant>>,
    told_since: Option<Instant>,
    told: u32,
}

impl Tries {
    /// Counts a try that begins; or says how long it is until the next is looked at.
    pub(crate) fn begin(&mut self, email: &Email, now: Instant) -> Result<(), Span> {
        let address = digest(email);
        if !self.addresses.contains_key(&address) {
            self.make_room(now);
        }
        let tries = self.addresses.entry(address).or_default();
        tries.retain(|began| counts(*began, now));
        if tries.len() >= MAX_TRIES {
            return Err((tries[0] + WINDOW).since(now));
        }
        tries.push(now);
        Ok(())
    }

    /// A try that was not looked at does not count.
    pub(crate) fn take_back(&mut self, email: &Email, began: Instant) {
        if let Some(tries) = self.addresses.get_mut(&digest(email))
            && let Some(at) = tries.iter().rposition(|try_at| *try_at == began)
        {
            tries.remove(at);
        }
    }

    /// The address was somebody's who knew the password.
    pub(crate) fn forget(&mut self, email: &Email) {
        self.addresses.remove(&digest(email));
    }

    /// Whether a wrong try may be written to the trail.
    pub(crate) fn may_tell(&mut self, now: Instant) -> bool {
        if self
            .told_since
            .is_none_or(|since| since + TOLD_WITHIN <= now)
        {
            (self.told_since, self.told) = (Some(now), 0);
        }
        self.told += 1;
        if self.told == MAX_TOLD + 1 {
            tracing::warn!(
                "wrong passwords come faster than the trail is told; the rest of this minute is left out"
            );
        }
        self.told <= MAX_TOLD
    }

    fn make_room(&mut self, now: Instant) {
        if self.addresses.len() < MAX_ADDRESSES {
            return;
        }
        self.addresses
            .retain(|_, tries| tries.last().is_some_and(|last| counts(*last, now)));
        if self.addresses.len() < MAX_ADDRESSES {
            return;
        }
        let oldest = self
            .addresses
            .iter()
            .min_by_key(|(_, tries)| tries.last().copied())
            .map(|(address, _)| *address);
        if let Some(oldest) = oldest {
            self.addresses.remove(&oldest);
        }
    }
}

fn counts(began: Instant, now: Instant) -> bool {
    began + WINDOW > now
}

fn digest(email: &Email) -> [u8; 32] {
    *Digest::of(email.as_str()).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(number: usize) -> Email {
        Email::new(&format!("person{number}@x.example")).unwrap()
    }

    fn at(minutes: i64) -> Instant {
        Instant::from_millis(0) + Span::from_minutes(minutes)
    }

    #[test]
    fn the_window_moves_and_gives_back_one_try_after_another() {
        let mut tries = Tries::default();
        for minute in 0..MAX_TRIES as i64 {
            assert_eq!(tries.begin(&email(1), at(minute)), Ok(()), "{minute}");
        }
        assert_eq!(tries.begin(&email(1), at(5)), Err(Span::from_minutes(10)));
        assert_eq!(tries.begin(&email(2), at(5)), Ok(()), "another address");
        assert!(tries.begin(&email(1), at(14)).is_err());
        assert_eq!(tries.begin(&email(1), at(15)), Ok(()));
        assert_eq!(tries.begin(&email(1), at(15)), Err(Span::from_minutes(1)));
    }

    #[test]
    fn a_good_try_wipes_the_slate_and_one_taken_back_does_not_count() {
        let mut tries = Tries::default();
        for _ in 0..3 * MAX_TRIES {
            assert_eq!(tries.begin(&email(1), at(0)), Ok(()));
            tries.take_back(&email(1), at(0));
        }
        for _ in 0..MAX_TRIES {
            assert_eq!(tries.begin(&email(1), at(0)), Ok(()));
        }
        assert!(tries.begin(&email(1), at(0)).is_err());
        tries.forget(&email(1));
        assert_eq!(tries.begin(&email(1), at(0)), Ok(()));
    }

    #[test]
    fn no_more_addresses_are_remembered_than_there_is_room_for() {
        let mut tries = Tries::default();
        for number in 0..MAX_ADDRESSES + 10 {
            assert_eq!(
                tries.begin(&email(number), at(number as i64 / 8192)),
                Ok(())
            );
        }
        assert_eq!(tries.addresses.len(), MAX_ADDRESSES);
        assert!(
            tries.addresses.contains_key(&digest(&email(MAX_ADDRESSES))),
            "the oldest goes first"
        );
    }

    #[test]
    fn the_trail_is_told_of_so_many_in_a_minute() {
        let mut tries = Tries::default();
        let told = (0..200).filter(|_| tries.may_tell(at(0))).count();
        assert_eq!(told, MAX_TOLD as usize);
        assert!(tries.may_tell(at(1)));
    }
}
