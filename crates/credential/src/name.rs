//! Names that people give, each with one canonical form, so that no name can pass for another.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest product name in characters.
pub const MAX_PRODUCT_CHARS: usize = 40;
/// The longest role name in characters; vendors stay below (50 in Security Cloud Control).
pub const MAX_ROLE_CHARS: usize = 100;
/// The longest name of a key, an organization or a user in characters (Secure Access allows 256).
pub const MAX_NAME_CHARS: usize = 256;
/// The longest comment in characters.
pub const MAX_COMMENT_CHARS: usize = 4000;

/// A text that cannot be the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing is left after trimming.
    #[error("must not be empty")]
    Empty,
    /// Too many characters.
    #[error("must have at most {0} characters")]
    Long(usize),
    /// A character that the kind of name does not admit.
    #[error("must consist of {0}")]
    Character(&'static str),
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident($read:expr);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Reads the text into its canonical form.
            pub fn new(text: &str) -> Result<Self, BadName> {
                $read(text).map(|text: &str| Self(text.into()))
            }

            /// The canonical text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), &self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.into()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )*};
}

names! {
    /// The name of a product in catalogs, columns and paths: 1 to [`MAX_PRODUCT_CHARS`] of `a-z`,
    /// `0-9` and `_`. It is compared as it stands.
    ProductName(product);
    /// The name of a role: 1 to [`MAX_ROLE_CHARS`] of ASCII letters, digits, single spaces and
    /// `-_./&()+`. Other alphabets have letters that look like these, and a role must not pass for
    /// another. Unique within a product by [`RoleName::fold`].
    RoleName(role);
    /// The name of a key, an organization or a person: 1 to [`MAX_NAME_CHARS`] characters, trimmed,
    /// without control characters and without those that are invisible or turn the reading order.
    /// Unique, where it must be, by [`Name::fold`].
    Name(name);
    /// Free text of at most [`MAX_COMMENT_CHARS`] characters, perhaps empty; line breaks and tabs
    /// are the only control characters.
    Comment(comment);
}

impl RoleName {
    /// The form in which role names are compared: lower case.
    pub fn fold(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl Name {
    /// The form in which names are compared: lower case, any run of white space as one space.
    pub fn fold(&self) -> String {
        self.0
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .to_lowercase()
    }
}

impl Default for Comment {
    fn default() -> Self {
        Self("".into())
    }
}

fn product(text: &str) -> Result<&str, BadName> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    within(text, MAX_PRODUCT_CHARS)?;
    all(text, good, "lower case letters, digits and _")
}

fn role(text: &str) -> Result<&str, BadName> {
    const EXPECTED: &str = "ASCII letters, digits, single spaces and -_./&()+";
    let text = text.trim();
    within(text, MAX_ROLE_CHARS)?;
    if text.contains("  ") {
        return Err(BadName::Character(EXPECTED));
    }
    all(
        text,
        |c| c.is_ascii_alphanumeric() || " -_./&()+".contains(c),
        EXPECTED,
    )
}

fn name(text: &str) -> Result<&str, BadName> {
    let text = text.trim();
    within(text, MAX_NAME_CHARS)?;
    all(
        text,
        |c| !c.is_control() && !is_hidden(c),
        "visible characters and spaces",
    )
}

fn comment(text: &str) -> Result<&str, BadName> {
    if text.chars().count() > MAX_COMMENT_CHARS {
        return Err(BadName::Long(MAX_COMMENT_CHARS));
    }
    let good = |c: char| matches!(c, '\n' | '\r' | '\t') || !(c.is_control() || is_hidden(c));
    all(
        text,
        good,
        "visible characters, spaces, tabs and line breaks",
    )
}

fn within(text: &str, most: usize) -> Result<(), BadName> {
    if text.is_empty() {
        return Err(BadName::Empty);
    }
    if text.chars().count() > most {
        Err(BadName::Long(most))
    } else {
        Ok(())
    }
}

fn all<'a>(
    text: &'a str,
    good: impl Fn(char) -> bool,
    expected: &'static str,
) -> Result<&'a str, BadName> {
    if text.chars().all(good) {
        Ok(text)
    } else {
        Err(BadName::Character(expected))
    }
}

/// Characters that take no room or turn the reading order: with them two different names look the
/// same. Joiners are among them, which some scripts use; a name can do without.
fn is_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_role_name_passes_for_another() {
        let fold = |text: &str| RoleName::new(text).map(|name| name.fold());
        for same in ["root", "Root", "ROOT", "root ", "\troot\n"] {
            assert_eq!(fold(same), Ok("root".to_owned()), "{same:?}");
        }
        let bad = [
            "r\u{43E}ot",
            "ro\u{200B}ot",
            "ro\u{0}ot",
            "a  b",
            "",
            " ",
            "r\u{f6}\u{f6}t",
            "a\tb",
            "a\nb",
            "a\u{a0}b",
            "a,b",
        ];
        for bad in bad {
            assert!(RoleName::new(bad).is_err(), "{bad:?}");
        }
        for good in [
            "CLI Read Only",
            "Security Cloud Control - Administrator",
            "a.b_c-d/e (f) & g+",
        ] {
            assert_eq!(RoleName::new(good).unwrap().as_str(), good);
        }
        assert!(RoleName::new(&"a".repeat(MAX_ROLE_CHARS)).is_ok());
        assert_eq!(
            RoleName::new(&"a".repeat(MAX_ROLE_CHARS + 1)),
            Err(BadName::Long(MAX_ROLE_CHARS))
        );
    }

    #[test]
    fn a_product_name_is_one_lower_case_word() {
        for good in ["latchkey", "secure_access", "x2"] {
            assert!(ProductName::new(good).is_ok(), "{good:?}");
        }
        for bad in ["", "Latchkey", "a-b", "a b", " a", "\u{e9}"] {
            assert!(ProductName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_is_what_people_can_read_and_keeps_its_spelling() {
        assert_eq!(
            Name::new("  Straße – 鍵 № 1 ").unwrap().as_str(),
            "Straße – 鍵 № 1"
        );
        assert_eq!(
            Name::new("Build \u{a0} Key").unwrap().fold(),
            Name::new("build key").unwrap().fold()
        );
        for bad in [
            "",
            "   ",
            "a\u{0}",
            "a\nb",
            "a\u{202E}b",
            "a\u{200B}b",
            "\u{FEFF}a",
        ] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
        assert!(Name::new(&"é".repeat(MAX_NAME_CHARS)).is_ok());
        assert!(Name::new(&"é".repeat(MAX_NAME_CHARS + 1)).is_err());
    }

    #[test]
    fn a_comment_may_be_empty_and_have_lines() {
        assert_eq!(Comment::default(), Comment::new("").unwrap());
        assert!(Comment::new("one\n\ttwo\r\n").is_ok());
        assert!(Comment::new("bell \u{7}").is_err());
        assert!(Comment::new(&"x".repeat(MAX_COMMENT_CHARS + 1)).is_err());
    }

    proptest! {
        #[test]
        fn a_canonical_name_is_its_own_canonical_form(text in "\\PC{0,20}") {
            if let Ok(name) = Name::new(&text) {
                prop_assert_eq!(Name::new(name.as_str()).unwrap(), name.clone());
                let stored = serde_json::to_string(&name).unwrap();
                prop_assert_eq!(serde_json::from_str::<Name>(&stored).unwrap(), name);
            }
        }
    }
}
