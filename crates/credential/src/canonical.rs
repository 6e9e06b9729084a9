//! One unambiguous byte string for a list of fields: what is sealed, authenticated or hashed must
//! never read the same for two different values, so every field carries its kind and its length.

/// A byte string under construction; see the module's text.
#[derive(Debug, Clone)]
pub struct Canonical(Vec<u8>);

impl Canonical {
    /// Starts a string that belongs to one purpose, so that bytes made for another never match.
    pub fn new(purpose: &str) -> Self {
        Self(Vec::with_capacity(256)).text(purpose)
    }

    /// Adds a text.
    pub fn text(self, text: &str) -> Self {
        self.field(b't', text.as_bytes())
    }

    /// Adds bytes.
    pub fn bytes(self, bytes: &[u8]) -> Self {
        self.field(b'b', bytes)
    }

    /// Adds a number.
    pub fn int(self, number: i64) -> Self {
        self.field(b'i', &number.to_be_bytes())
    }

    /// Adds a number that may be absent; absent differs from every number.
    pub fn opt_int(self, number: Option<i64>) -> Self {
        match number {
            Some(number) => self.int(number),
            None => self.field(b'n', &[]),
        }
    }

    /// Adds a text that may be absent; absent differs from the empty text.
    pub fn opt_text(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(text),
            None => self.field(b'n', &[]),
        }
    }

    /// The finished bytes.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    fn field(mut self, kind: u8, bytes: &[u8]) -> Self {
        self.0.push(kind);
        self.0
            .extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }
}
