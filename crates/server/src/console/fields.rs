//! What a form or a query of the console says: names with one value or several.

use credential::secret::Secret;

use crate::edge::form::decode;

/// The most values of a form: a key with every scope of the largest catalog has some two hundred.
const MOST: usize = 2000;

/// Names and values, wiped afterwards: some of them are passwords.
#[derive(Default)]
pub(super) struct Fields(Vec<(String, Secret)>);

impl Fields {
    /// Reads a form or a query; nothing when it is not well-formed or too long.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut fields = Vec::new();
        for pair in text
            .split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty())
        {
            if fields.len() == MOST {
                return None;
            }
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(parts.next().unwrap_or_default())?;
            let value = decode(parts.next().unwrap_or_default())?;
            fields.push((name, Secret::from(value)));
        }
        Some(Self(fields))
    }

    /// The value of a name, trimmed, unless it is empty; the first where it stands several times.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let values = self.0.iter().filter(|(known, _)| known == name);
        let mut values = values.map(|(_, value)| value.expose().trim());
        values.find(|value| !value.is_empty())
    }

    /// The value of a name, or nothing at all as text.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Every value of a name that is not empty.
    pub(super) fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        let of_name = self.0.iter().filter(move |(known, _)| known == name);
        of_name
            .map(|(_, value)| value.expose().trim())
            .filter(|value| !value.is_empty())
    }

    /// A value as it was typed, for passwords.
    pub(super) fn typed(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.expose())
    }

    /// Whether a box was ticked.
    pub(super) fn ticked(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether a box with this value was ticked.
    pub(super) fn has(&self, name: &str, value: &str) -> bool {
        self.all(name).any(|known| known == value)
    }
}

/// A query with some of its values replaced, in the order given; an empty value is left out.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let mut query = String::new();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        query.push(if query.is_empty() { '?' } else { '&' });
        query.push_str(&encoded(name));
        query.push('=');
        query.push_str(&encoded(value));
    }
    query
}

/// A text as it stands in a URL.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_several_values_and_blanks_are_none() {
        let fields = Fields::parse(b"role=a&role=b+c&role=&name=+x%2By+&tick=on").unwrap();
        assert_eq!(fields.all("role").collect::<Vec<_>>(), ["a", "b c"]);
        assert_eq!(fields.get("name"), Some("x+y"));
        assert_eq!(fields.typed("name"), " x+y ");
        assert!(fields.ticked("tick") && !fields.ticked("tock") && fields.has("role", "b c"));
        assert!(Fields::parse(b"a=%2").is_none());
    }

    #[test]
    fn a_query_reads_back_as_it_was_written() {
        let text = query(&[("name", "a&b=c"), ("state", ""), ("x", "ü")]);
        assert_eq!(text, "?name=a%26b%3Dc&x=%C3%BC");
        let fields = Fields::parse(&text.as_bytes()[1..]).unwrap();
        assert_eq!(
            (fields.get("name"), fields.get("x")),
            (Some("a&b=c"), Some("ü"))
        );
    }
}
