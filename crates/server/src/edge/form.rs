//! Forms (`application/x-www-form-urlencoded`), read so that nobody can read them in another way:
//! a parameter that stands twice is an error (RFC 6749, section 3.2).

use credential::secret::Secret;

/// The most parameters of a form; token requests have fewer than ten.
const MOST_PARAMETERS: usize = 64;

/// The parameters of a form, each once. Their values are wiped from memory afterwards, since some
/// of them are secrets.
#[derive(Default)]
pub struct Form(Vec<(String, Secret)>);

/// Why a text is no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadForm {
    /// An escape or a character that does not decode to UTF-8.
    #[error("the form is not well-formed")]
    Malformed,
    /// A parameter stands twice.
    #[error("a parameter stands twice")]
    Twice,
    /// There are too many.
    #[error("the form has too many parameters")]
    TooMany,
}

impl Form {
    /// Reads a form. A parameter without a value is as if it were not there (RFC 6749, section 3.2).
    ///
    /// # Errors
    /// [`BadForm`].
    pub fn parse(text: &[u8]) -> Result<Self, BadForm> {
        let mut parameters: Vec<(String, Secret)> = Vec::new();
        for pair in text
            .split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty())
        {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let name = parts.next().unwrap_or_default();
            let name = decode(name).ok_or(BadForm::Malformed)?;
            let value =
                Secret::from(decode(parts.next().unwrap_or_default()).ok_or(BadForm::Malformed)?);
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(BadForm::Twice);
            }
            if parameters.len() == MOST_PARAMETERS {
                return Err(BadForm::TooMany);
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.expose())
            .filter(|value| !value.is_empty())
    }
}

/// Undoes form encoding: `+` and `%XX`. Nothing when an escape is broken or the result is not UTF-8.
pub fn decode(text: &[u8]) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(*rest.next()?).to_digit(16)?;
                let low = char::from(*rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            byte => *byte,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_empty_ones_are_not_there() {
        let form =
            Form::parse(b"grant_type=client_credentials&scope=a+b%3Ac&empty=&&bare&x=a=b").unwrap();
        assert_eq!(form.get("grant_type"), Some("client_credentials"));
        assert_eq!(form.get("scope"), Some("a b:c"));
        assert_eq!(form.get("x"), Some("a=b"));
        for absent in ["empty", "bare", "other"] {
            assert_eq!(form.get(absent), None, "{absent}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for (text, expected) in [
            (&b"a=1&a=1"[..], BadForm::Twice),
            (b"a=1&%61=2", BadForm::Twice),
            (b"a=%", BadForm::Malformed),
            (b"a=%4", BadForm::Malformed),
            (b"a=%zz", BadForm::Malformed),
            (b"a=%ff", BadForm::Malformed),
            (b"a=\xff", BadForm::Malformed),
        ] {
            assert_eq!(Form::parse(text).err(), Some(expected), "{text:?}");
        }
        let many: Vec<String> = (0..=MOST_PARAMETERS).map(|n| format!("p{n}=1")).collect();
        assert_eq!(
            Form::parse(many.join("&").as_bytes()).err(),
            Some(BadForm::TooMany)
        );
    }
}
