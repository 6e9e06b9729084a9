//! Paths that mean one thing to everybody.
//!
//! Gateways forward the raw path, and each program behind them decodes it in its own way. A path
//! that two programs could read differently is refused: an encoded slash, backslash or percent
//! sign, dot segments, empty segments, semicolons, control characters, and bytes that are no UTF-8.
//! What is left is decoded once for the comparison, and written again in one form for the
//! upstream, so that what was decided on is what is sent.

use std::fmt;

/// The most segments of a path; more is nothing that an API has.
const MOST_SEGMENTS: usize = 64;

/// A path that can be read in one way only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanPath {
    segments: Vec<String>,
    slash: bool,
}

/// A path that can be read in more than one way, or in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the path can be read in more than one way")]
pub struct Ambiguous;

impl CleanPath {
    /// Reads the path of a request, as it was sent.
    ///
    /// # Errors
    /// [`Ambiguous`] for everything named in the description of this module.
    pub fn parse(raw: &str) -> Result<Self, Ambiguous> {
        let rest = raw.strip_prefix('/').ok_or(Ambiguous)?;
        let (rest, slash) = match rest.strip_suffix('/') {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        if rest.is_empty() {
            return if slash {
                Err(Ambiguous)
            } else {
                Ok(Self {
                    segments: Vec::new(),
                    slash: false,
                })
            };
        }
        let segments = rest.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
        if segments.len() > MOST_SEGMENTS {
            return Err(Ambiguous);
        }
        Ok(Self { segments, slash })
    }

    /// The decoded segments. A slash at the end makes none: `/a/` needs what `/a` needs.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }
}

/// Writes the path in its one form: unreserved characters bare, everything else encoded in upper
/// case (RFC 3986, section 6.2.2).
impl fmt::Display for CleanPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            f.write_str("/")?;
            for byte in segment.bytes() {
                if is_bare(byte) {
                    write!(f, "{}", char::from(byte))?
                } else {
                    write!(f, "%{byte:02X}")?
                }
            }
        }
        if self.slash || self.segments.is_empty() {
            f.write_str("/")
        } else {
            Ok(())
        }
    }
}

/// Unreserved characters, and the sub-delimiters that a path segment may hold bare; the semicolon
/// never gets this far.
fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte)
}

fn decode(raw: &str) -> Result<String, Ambiguous> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = digit().zip(digit()).ok_or(Ambiguous)?;
                u8::try_from(high * 16 + low).map_err(|_| Ambiguous)?
            }
            byte => byte,
        };
        if matches!(byte, b'/' | b'\\' | b'%' | b';' | b'?' | b'#') || byte.is_ascii_control() {
            return Err(Ambiguous);
        }
        bytes.push(byte);
    }
    let text = String::from_utf8(bytes).map_err(|_| Ambiguous)?;
    if text.is_empty() || text == "." || text == ".." || text.chars().any(char::is_control) {
        return Err(Ambiguous);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_path_is_written_as_it_was_read() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/a/b.c/d-e_f~g",
            "/@me/a:b/x=1,2",
            "/%C3%A9t%C3%A9",
            "/...",
            "/a%20b",
        ] {
            assert_eq!(CleanPath::parse(path).unwrap().to_string(), path);
        }
    }

    #[test]
    fn what_two_programs_could_read_differently_is_refused() {
        for path in [
            "",
            "a",
            "//",
            "//a",
            "/a//b",
            "/a//",
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/a/%2e%2e/b",
            "/a/.%2E",
            "/a%2Fb",
            "/a%2fb",
            "/a\\b",
            "/a%5Cb",
            "/a%00",
            "/a%0d%0ab",
            "/a%7F",
            "/a;b=c",
            "/a%3Bb",
            "/a%252Fb",
            "/a%25",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%3Fb",
            "/a%23b",
            "/%C0%AF",
            "/%FF",
            "/%C2%85",
            "*",
        ] {
            assert_eq!(CleanPath::parse(path), Err(Ambiguous), "{path}");
        }
        let long = "/a".repeat(MOST_SEGMENTS + 1);
        assert_eq!(CleanPath::parse(&long), Err(Ambiguous));
    }

    #[test]
    fn two_ways_to_write_a_path_are_sent_as_one() {
        for (raw, sent) in [
            ("/%61dmin", "/admin"),
            ("/a%7eb", "/a~b"),
            ("/a%c3%a9", "/a%C3%A9"),
            ("/a|b", "/a%7Cb"),
        ] {
            assert_eq!(CleanPath::parse(raw).unwrap().to_string(), sent);
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_reads_as_what_was_decided_on(raw in "/[a-zA-Z0-9%./;\\\\ ~é-]{0,40}") {
            if let Ok(path) = CleanPath::parse(&raw) {
                prop_assert_eq!(CleanPath::parse(&path.to_string()), Ok(path));
            }
        }
    }
}
