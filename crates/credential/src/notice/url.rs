//! The address of a webhook, read strictly: what two programs could read differently is refused.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest address in bytes; browsers and servers agree on about this much.
pub const MAX_URL_BYTES: usize = 2048;

/// Where webhooks are sent: `https://` or `http://`, a host, perhaps a port, a path and a query. No user name, no fragment,
/// no escapes in the host, and an IP address only in its one canonical spelling.
#[derive(Clone, PartialEq, Eq)]
pub struct HookUrl {
    text: String,
    secure: bool,
    host: Host,
    port: u16,
    target: String,
}

/// The host of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name, in lower case.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// A text that is not the address of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Neither `https://` nor `http://`, too long, or with characters that a URL does not have.
    #[error(
        "expected a URL such as https://example.com/hooks/latchkey, of at most 2048 ASCII characters"
    )]
    Shape,
    /// A user name or a password stands in it.
    #[error("a URL of a webhook carries no user name and no password")]
    User,
    /// A fragment stands in it.
    #[error("a URL of a webhook has no #")]
    Fragment,
    /// The host is no name and no address in its canonical spelling.
    #[error("the host of the URL is neither a name nor an address in its usual spelling")]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("the port of the URL is no number from 1 to 65535")]
    Port,
}

impl HookUrl {
    /// Reads an address; see the type's text.
    pub fn new(text: &str) -> Result<Self, BadUrl> {
        if text.len() > MAX_URL_BYTES || text.bytes().any(|byte| !is_plain(byte)) {
            return Err(BadUrl::Shape);
        }
        let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(BadUrl::Shape),
        };
        if rest.contains('#') {
            return Err(BadUrl::Fragment);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (place, target) = rest.split_at(end);
        if place.contains('@') {
            return Err(BadUrl::User);
        }
        let (host, port) = split_port(place)?;
        let host = read_host(host)?;
        let standard = if secure { 443 } else { 80 };
        let port = match port {
            None => standard,
            Some(digits) => read_port(digits)?,
        };
        let target = match target {
            "" => "/".to_owned(),
            query if query.starts_with('?') => format!("/{query}"),
            path => path.to_owned(),
        };
        let scheme = if secure { "https" } else { "http" };
        let shown_port = if port == standard {
            String::new()
        } else {
            format!(":{port}")
        };
        Ok(Self {
            text: format!("{scheme}://{host}{shown_port}{target}"),
            secure,
            host,
            port,
            target,
        })
    }

    /// The whole address in its canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is spoken over TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, written or implied.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path and the query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The host and, where it is not the usual one, the port: what the header `Host` says.
    pub fn authority(&self) -> String {
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => self.host.to_string(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}

impl fmt::Debug for HookUrl {
    /// Paths of webhooks are often secrets of their receivers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HookUrl(…{}…)", self.host)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => address.fmt(f),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)
}

fn split_port(place: &str) -> Result<(&str, Option<&str>), BadUrl> {
    if place.starts_with('[') {
        let end = place.find(']').ok_or(BadUrl::Host)?;
        let (host, rest) = place.split_at(end + 1);
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(BadUrl::Host),
        };
    }
    Ok(match place.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (place, None),
    })
}

fn read_port(digits: &str) -> Result<u16, BadUrl> {
    let plain = digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse() {
        Ok(port) if plain && port > 0 => Ok(port),
        _ => Err(BadUrl::Port),
    }
}

/// Resolvers read `0x7f.1`, `017700000001` and `2130706433` as addresses. A host whose last label is a number in any such
/// spelling is an address, and must be one that everybody reads alike.
fn read_host(text: &str) -> Result<Host, BadUrl> {
    if let Some(inner) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return match inner.parse::<Ipv6Addr>() {
            Ok(address) => Ok(Host::Address(address.into())),
            Err(_) => Err(BadUrl::Host),
        };
    }
    let labels: Vec<&str> = text.split('.').collect();
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if text.len() > 253 || !labels.iter().all(is_label) {
        return Err(BadUrl::Host);
    }
    let last = labels.last().copied().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit())
        || last
            .get(..2)
            .is_some_and(|two| two.eq_ignore_ascii_case("0x"))
    {
        return match text.parse::<Ipv4Addr>() {
            Ok(address) => Ok(Host::Address(address.into())),
            Err(_) => Err(BadUrl::Host),
        };
    }
    Ok(Host::Name(text.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, String, u16, String), BadUrl> {
        let url = HookUrl::new(text)?;
        assert_eq!(HookUrl::new(url.as_str()).as_ref(), Ok(&url), "{text}");
        Ok((
            url.as_str().to_owned(),
            url.host().to_string(),
            url.port(),
            url.target().to_owned(),
        ))
    }

    #[test]
    fn an_address_is_read_into_one_spelling() {
        for (text, whole, host, port, target) in [
            (
                "https://Example.com",
                "https://example.com/",
                "example.com",
                443,
                "/",
            ),
            (
                "https://example.com:443/a?b=c",
                "https://example.com/a?b=c",
                "example.com",
                443,
                "/a?b=c",
            ),
            (
                "https://example.com:8443?x",
                "https://example.com:8443/?x",
                "example.com",
                8443,
                "/?x",
            ),
            (
                "http://192.0.2.1/%20",
                "http://192.0.2.1/%20",
                "192.0.2.1",
                80,
                "/%20",
            ),
            (
                "https://[2001:DB8::1]:1/",
                "https://[2001:db8::1]:1/",
                "[2001:db8::1]",
                1,
                "/",
            ),
            (
                "https://a_b.internal/x@y",
                "https://a_b.internal/x@y",
                "a_b.internal",
                443,
                "/x@y",
            ),
        ] {
            let expected = (whole.to_owned(), host.to_owned(), port, target.to_owned());
            assert_eq!(read(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_two_programs_could_read_differently_is_refused() {
        for (text, why) in [
            ("", BadUrl::Shape),
            ("example.com", BadUrl::Shape),
            ("HTTPS://example.com", BadUrl::Shape),
            ("gopher://example.com/", BadUrl::Shape),
            ("file:///etc/passwd", BadUrl::Shape),
            ("unix:/run/x", BadUrl::Shape),
            ("https://exa mple.com/", BadUrl::Shape),
            ("https://example.com/\r\nHost: x", BadUrl::Shape),
            ("https://exämple.com/", BadUrl::Shape),
            ("https://example.com\\@127.0.0.1/", BadUrl::Shape),
            ("http://a@127.0.0.1/", BadUrl::User),
            ("https://a:b@example.com/", BadUrl::User),
            ("https://example.com/#x", BadUrl::Fragment),
            ("https://example.com#@127.0.0.1/", BadUrl::Fragment),
            ("https:///x", BadUrl::Host),
            ("https://.example.com/", BadUrl::Host),
            ("https://example.com./", BadUrl::Host),
            ("https://2130706433/", BadUrl::Host),
            ("https://0x7f000001/", BadUrl::Host),
            ("https://0x7f.1/", BadUrl::Host),
            ("https://127.1/", BadUrl::Host),
            ("https://0177.0.0.1/", BadUrl::Host),
            ("https://127.0.0.0x1/", BadUrl::Host),
            ("https://%31%32%37.0.0.1/", BadUrl::Host),
            ("https://[::1%25lo]/", BadUrl::Host),
            ("https://[::1/", BadUrl::Host),
            ("https://[::1]x/", BadUrl::Host),
            ("https://example.com:/", BadUrl::Port),
            ("https://example.com:0/", BadUrl::Port),
            ("https://example.com:65536/", BadUrl::Port),
            ("https://example.com:+80/", BadUrl::Port),
        ] {
            assert_eq!(HookUrl::new(text), Err(why), "{text:?}");
        }
        let long = format!("https://example.com/{}", "x".repeat(MAX_URL_BYTES));
        assert_eq!(HookUrl::new(&long), Err(BadUrl::Shape));
    }
}
