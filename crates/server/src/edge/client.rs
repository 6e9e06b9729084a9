//! Who the client is, when proxies stand between.
//!
//! Each proxy appends the address it was called from, so a list grows to the right and only its
//! right end was written by somebody we know. Walking from there, the first address that is not a
//! trusted proxy is the client; whatever stands left of it, the client may have written itself.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::FORWARDED;
use ipnet::IpNet;

/// The most hops that are looked at. No real chain is as long; a longer one is a client's invention.
const MOST_HOPS: usize = 32;

/// What a trusted proxy says about the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claims {
    address: Claim,
    /// Whether the client spoke TLS with it.
    pub https: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// It says nothing: then it is the client itself.
    Silent,
    Address(IpAddr),
    /// It says something that cannot be read, or two things.
    Unreadable,
}

impl Claims {
    /// The client's address, if one was named that can be read.
    pub fn address(&self) -> Option<IpAddr> {
        match self.address {
            Claim::Address(address) => Some(address),
            Claim::Silent | Claim::Unreadable => None,
        }
    }

    /// The client's address; the peer's own if nothing was said, none if it cannot be read.
    pub fn address_or(&self, peer: IpAddr) -> Option<IpAddr> {
        match self.address {
            Claim::Silent => Some(peer),
            Claim::Address(address) => Some(address),
            Claim::Unreadable => None,
        }
    }
}

/// Whether the address is in one of the networks.
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// Reads `X-Forwarded-For`, `Forwarded` (RFC 7239) and `X-Forwarded-Proto` of a trusted peer.
///
/// A proxy writes one of the first two; the other may come from the client. If both are there and
/// disagree, nobody can tell which is which, and the client is unknown.
pub fn claims(headers: &HeaderMap, trusted: &[IpNet]) -> Claims {
    let plain = walk(lines(headers, "x-forwarded-for"), trusted, address);
    let standard = walk(lines(headers, FORWARDED.as_str()), trusted, forwarded_for);
    let address = match (plain, standard) {
        (Claim::Silent, claim) | (claim, Claim::Silent) => claim,
        (plain, standard) if plain == standard => plain,
        _ => Claim::Unreadable,
    };
    let mut protocols = lines(headers, "x-forwarded-proto");
    let last = protocols.next_back();
    Claims {
        address,
        https: matches!(last, Some(Some("https"))),
    }
}

/// The entries of a list header, over all its lines; an entry of a line that is no text is `None`.
fn lines<'h>(
    headers: &'h HeaderMap,
    name: &str,
) -> impl DoubleEndedIterator<Item = Option<&'h str>> {
    let mut entries = Vec::new();
    for line in headers.get_all(name) {
        match line.to_str() {
            Ok(text) => entries.extend(
                text.split(',')
                    .map(|entry| Some(entry.trim_matches([' ', '\t']))),
            ),
            Err(_) => entries.push(None),
        }
    }
    entries.into_iter()
}

fn walk<'h>(
    entries: impl DoubleEndedIterator<Item = Option<&'h str>>,
    trusted: &[IpNet],
    read: fn(&str) -> Option<IpAddr>,
) -> Claim {
    let mut found = Claim::Silent;
    for (hop, entry) in entries.rev().enumerate() {
        let Some(address) = entry.filter(|_| hop < MOST_HOPS).and_then(read) else {
            return Claim::Unreadable;
        };
        found = Claim::Address(address);
        if !is_trusted(address, trusted) {
            break;
        }
    }
    found
}

/// An address as proxies write it, some with a port; an IPv4 address in IPv6 clothes is IPv4. Zones,
/// octal and abbreviated forms are no addresses.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || {
        text.parse::<SocketAddr>()
            .ok()
            .filter(|_| !text.contains('%'))
            .map(|address| address.ip())
    };
    let address = text
        .parse::<IpAddr>()
        .ok()
        .or_else(bare)
        .or_else(with_port)?;
    Some(address.to_canonical())
}

/// The `for` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(';') {
        let (name, value) = pair.trim_matches([' ', '\t']).split_once('=')?;
        if !name.eq_ignore_ascii_case("for") {
            continue;
        }
        if found.is_some() {
            return None;
        }
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted
                .strip_suffix('"')
                .filter(|inner| !inner.contains(['"', '\\']))?,
            None => value,
        };
        found = Some(address(value)?);
    }
    found
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    /// The client that a peer 10.0.0.1 is taken for when it sends these lines; `-` for none.
    fn client(headers: &[(&str, &str)]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let found = claims(&map, &trusted).address_or("10.0.0.1".parse().unwrap());
        found.map_or("-".to_owned(), |address| address.to_string())
    }

    #[test]
    fn the_client_is_the_right_most_address_that_is_no_trusted_proxy() {
        for (line, expected) in [
            ("1.2.3.4", "1.2.3.4"),
            ("9.9.9.9, 1.2.3.4", "1.2.3.4"),
            ("9.9.9.9,1.2.3.4,10.0.0.7", "1.2.3.4"),
            ("garbage, 1.2.3.4", "1.2.3.4"),
            ("10.0.0.9, 10.0.0.8", "10.0.0.9"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("1.2.3.4:5678", "1.2.3.4"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1, fd00::1", "2001:db8::1"),
        ] {
            assert_eq!(client(&[("x-forwarded-for", line)]), expected, "{line}");
        }
        assert_eq!(client(&[]), "10.0.0.1");
        assert_eq!(
            client(&[
                ("x-forwarded-for", "1.1.1.1"),
                ("x-forwarded-for", "2.2.2.2, 10.1.1.1")
            ]),
            "2.2.2.2"
        );
    }

    #[test]
    fn what_cannot_be_read_strictly_names_nobody() {
        for line in [
            "",
            "1.2.3",
            "0x7f.1",
            "01.2.3.4",
            "1.2.3.4.5",
            "fe80::1%eth0",
            "[fe80::1%2]:80",
            "unknown",
            "1.2.3.4,",
            "a.b",
            "1.2.3.4, 10.0.0.1, x",
            "1.2.3.4:99999",
        ] {
            assert_eq!(client(&[("x-forwarded-for", line)]), "-", "{line:?}");
        }
        let many = vec!["10.0.0.1"; MOST_HOPS + 1].join(",");
        assert_eq!(client(&[("x-forwarded-for", &many)]), "-");
    }

    #[test]
    fn the_standard_header_is_read_as_strictly() {
        for (line, expected) in [
            ("for=1.2.3.4", "1.2.3.4"),
            ("For=\"[2001:db8::1]:4711\";proto=https", "2001:db8::1"),
            (
                "for=9.9.9.9, for=1.2.3.4;by=10.0.0.1, for=10.0.0.2",
                "1.2.3.4",
            ),
            ("for=_hidden", "-"),
            ("for=unknown", "-"),
            ("proto=https", "-"),
            ("for=1.2.3.4;for=5.6.7.8", "-"),
            ("for=\"1.2.3.4", "-"),
        ] {
            assert_eq!(client(&[("forwarded", line)]), expected, "{line}");
        }
    }

    #[test]
    fn two_headers_that_disagree_name_nobody() {
        let xff = ("x-forwarded-for", "1.2.3.4");
        assert_eq!(client(&[xff, ("forwarded", "for=5.6.7.8")]), "-");
        assert_eq!(client(&[xff, ("forwarded", "for=1.2.3.4")]), "1.2.3.4");
    }
}
