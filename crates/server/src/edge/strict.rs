//! A stricter reading of HTTP/1.1 than the engine's own.
//!
//! The engine accepts a line that ends in a bare LF, and a request with both `Content-Length` and
//! `Transfer-Encoding`, of which it drops one. A proxy in front may see other borders between
//! requests than we do, and somebody may hide a request between them. So the bytes are looked at
//! before the engine gets them, and the first that is ambiguous is replaced by a NUL: the engine
//! then answers 400 in its place among the answers and closes the connection.

/// Longer lines are refused by the engine, whose buffer ends before.
const LONGEST_LINE: usize = 1 << 20;

/// Follows the requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Strict {
    state: State,
    /// The beginning of a line whose end has not been read.
    line: Vec<u8>,
    head: Head,
    spoiled: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the lines of a head.
    #[default]
    Head,
    /// In a body with this many bytes to come.
    Body(u64),
    /// In the line with the size of a chunk.
    ChunkSize,
    /// In a chunk, the line end behind it included.
    Chunk(u64),
    /// In the lines behind the last chunk.
    Trailer,
    /// HTTP/2, or refused: nothing more to see.
    Off,
}

/// What the head said so far.
#[derive(Debug, Default)]
struct Head {
    begun: bool,
    host: bool,
    chunked: bool,
    length: Option<u64>,
}

/// A line that two programs could read differently.
struct Ambiguous;

impl Strict {
    /// Looks at bytes that were just read, and spoils them where they are ambiguous.
    pub(super) fn inspect(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                State::Off => return,
                State::Body(left) | State::Chunk(left) => {
                    let here = u64::try_from(bytes.len() - at)
                        .unwrap_or(u64::MAX)
                        .min(left);
                    at += usize::try_from(here).unwrap_or(bytes.len());
                    self.state = match (self.state, left - here) {
                        (State::Body(_), 0) => State::Head,
                        (State::Body(_), left) => State::Body(left),
                        (_, 0) => State::ChunkSize,
                        (_, left) => State::Chunk(left),
                    };
                }
                State::Head | State::ChunkSize | State::Trailer => {
                    let Some(length) = bytes[at..].iter().position(|byte| *byte == b'\n') else {
                        self.line.extend_from_slice(&bytes[at..]);
                        if self.line.len() > LONGEST_LINE {
                            self.state = State::Off;
                        }
                        return;
                    };
                    let end = at + length;
                    let outcome = if self.line.is_empty() {
                        self.ended(&bytes[at..end])
                    } else {
                        let mut line = std::mem::take(&mut self.line);
                        line.extend_from_slice(&bytes[at..end]);
                        let outcome = self.ended(&line);
                        line.clear();
                        self.line = line;
                        outcome
                    };
                    if outcome.is_err() {
                        bytes[end] = 0;
                        self.spoiled = true;
                        self.state = State::Off;
                        return;
                    }
                    at = end + 1;
                }
            }
        }
    }

    /// Whether something ambiguous was found: the engine must refuse what it was given.
    pub(super) fn is_spoiled(&self) -> bool {
        self.spoiled
    }

    /// A line without its LF.
    fn ended(&mut self, line: &[u8]) -> Result<(), Ambiguous> {
        let line = line.strip_suffix(b"\r").ok_or(Ambiguous)?;
        match self.state {
            State::ChunkSize => {
                let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
                let size = number(size.trim_ascii_end(), 16)?;
                self.state = if size == 0 {
                    State::Trailer
                } else {
                    State::Chunk(size.saturating_add(2))
                };
            }
            State::Trailer if line.is_empty() => self.state = State::Head,
            State::Head if !self.head.begun => {
                // An empty line before a request is tolerated (RFC 9112, section 2.2).
                self.head.begun = !line.is_empty();
                if line.starts_with(b"PRI * HTTP/2") {
                    self.state = State::Off;
                }
            }
            State::Head if line.is_empty() => {
                let head = std::mem::take(&mut self.head);
                self.state = match head.length {
                    _ if head.chunked => State::ChunkSize,
                    Some(length) if length > 0 => State::Body(length),
                    _ => State::Head,
                };
            }
            State::Head => self.header(line)?,
            State::Trailer | State::Body(_) | State::Chunk(_) | State::Off => {}
        }
        Ok(())
    }

    fn header(&mut self, line: &[u8]) -> Result<(), Ambiguous> {
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .ok_or(Ambiguous)?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        // A space before the name continues the line above; one behind it hides the name.
        if name.iter().any(u8::is_ascii_whitespace) {
            return Err(Ambiguous);
        }
        let framed = self.head.chunked || self.head.length.is_some();
        if name.eq_ignore_ascii_case(b"content-length") {
            if framed {
                return Err(Ambiguous);
            }
            self.head.length = Some(number(value, 10)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if framed || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Ambiguous);
            }
            self.head.chunked = true;
        } else if name.eq_ignore_ascii_case(b"host") {
            if self.head.host {
                return Err(Ambiguous);
            }
            self.head.host = true;
        }
        Ok(())
    }
}

/// A number of digits only: no sign, no separators, nothing else.
fn number(text: &[u8], radix: u32) -> Result<u64, Ambiguous> {
    if text.is_empty() || !text.iter().all(|byte| char::from(*byte).is_digit(radix)) {
        return Err(Ambiguous);
    }
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| u64::from_str_radix(text, radix).ok())
        .ok_or(Ambiguous)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether the stream passes unchanged when it arrives in pieces of this size.
    fn passes(stream: &[u8], piece: usize) -> bool {
        let mut strict = Strict::default();
        stream.chunks(piece).all(|chunk| {
            let mut bytes = chunk.to_vec();
            strict.inspect(&mut bytes);
            bytes == chunk
        })
    }

    fn check(stream: &str, expected: bool) {
        for piece in [1, 2, 3, 7, stream.len()] {
            assert_eq!(
                passes(stream.as_bytes(), piece),
                expected,
                "{stream:?} in pieces of {piece}"
            );
        }
    }

    #[test]
    fn plain_requests_pass_whole_and_in_pieces() {
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true);
        check(
            "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
            true,
        );
        check(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na\nb\nc\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            true,
        );
        check(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\n\n\n\r\nA;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            true,
        );
        check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\n\0", true);
    }

    #[test]
    fn what_another_program_could_frame_differently_is_spoiled() {
        for head in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: \r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: \x0bchunked\r\n",
            "Transfer-Encoding : chunked\r\n",
            "X: a\r\n folded\r\n",
            "X: a\n",
            "Host: a\r\nHost: a\r\n",
            "no colon\r\n",
        ] {
            check(&format!("POST / HTTP/1.1\r\n{head}\r\n"), false);
        }
        check("GET / HTTP/1.1\n\r\n", false);
        check(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
            false,
        );
        check(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
            false,
        );
    }

    proptest! {
        #[test]
        fn pieces_never_change_what_is_seen(stream in "(GET / HTTP/1.1\r\n|Content-Length: [0-9]\r\n|Transfer-Encoding: chunked\r\n|\r\n|[0-9a\n\r:]{0,4}){0,12}", piece in 1usize..9) {
            prop_assert_eq!(passes(stream.as_bytes(), piece), passes(stream.as_bytes(), stream.len().max(1)));
        }
    }
}
