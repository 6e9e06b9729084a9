//! Passwords of people: which ones may be chosen.
//!
//! The rules are those of NIST SP 800-63B, section 3.1.1: a length, and nothing about upper case, digits or signs, which
//! make passwords worse. What is kept of one is a slow hash, which `authority` makes.

use std::fmt;

use zeroize::Zeroizing;

use crate::organization::Email;

/// The fewest characters: what a guesser offline needs years for, at the cost of a good password hash.
pub const MIN_PASSWORD_CHARS: usize = 12;
/// The most characters: room for a passphrase, and a bound on what is hashed.
pub const MAX_PASSWORD_CHARS: usize = 256;

/// A text that may not be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    /// Too few characters, or too many.
    #[error("must have {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters")]
    Length,
    /// A control character: it could not be typed again.
    #[error("must not have control characters")]
    Control,
    /// The person's own address, which everybody knows.
    #[error("must not be the e-mail address itself")]
    Email,
}

/// A password that somebody chose or typed. It cannot be printed, cloned or serialized, and is wiped when it is dropped.
#[derive(serde::Deserialize)]
#[serde(from = "String")]
pub struct Password(Zeroizing<String>);

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl Password {
    /// The text, for the one hash that is made of it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it has a length that a password can have: what is longer is not even hashed.
    pub fn is_typable(&self) -> bool {
        self.0.chars().count() <= MAX_PASSWORD_CHARS
    }

    /// Whether whoever has this address may choose it.
    pub fn may_be_of(&self, email: &Email) -> Result<(), BadPassword> {
        let count = self.0.chars().count();
        if !(MIN_PASSWORD_CHARS..=MAX_PASSWORD_CHARS).contains(&count) {
            return Err(BadPassword::Length);
        }
        if self.0.chars().any(char::is_control) {
            return Err(BadPassword::Control);
        }
        if self.0.trim().eq_ignore_ascii_case(email.as_str()) {
            return Err(BadPassword::Email);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), BadPassword>) {
        let email = Email::new("ada@harbour-books.example").unwrap();
        let password = Password::from(text.to_owned());
        assert_eq!(password.may_be_of(&email), expected, "{text:?}");
    }

    #[test]
    fn a_password_has_a_length_and_no_other_rule_of_composition() {
        check("test horses", Err(BadPassword::Length));
        check("test  horses", Ok(()));
        check("鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵", Ok(()));
        check("鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵鍵", Err(BadPassword::Length));
        check(&"é".repeat(MAX_PASSWORD_CHARS), Ok(()));
        check(
            &"é".repeat(MAX_PASSWORD_CHARS + 1),
            Err(BadPassword::Length),
        );
    }

    #[test]
    fn what_cannot_be_typed_or_is_known_to_all_is_no_password() {
        check("test\thorses only", Err(BadPassword::Control));
        check("test horses\u{0}only", Err(BadPassword::Control));
        check("ada@harbour-books.example", Err(BadPassword::Email));
        check(" Ada@Harbour-Books.example", Err(BadPassword::Email));
        check("ada@harbour-books.example!", Ok(()));
    }

    #[test]
    fn a_password_is_not_printed() {
        let password = Password::from("test horses only".to_owned());
        assert_eq!(format!("{password:?}"), "Password(..)");
    }
}
