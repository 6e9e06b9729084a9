//! What may be reached by a webhook. Its address was chosen by somebody who is not trusted with this server's network, so
//! that nothing is reached which only this server could reach.
//!
//! A name is looked up once, every address that it has is checked, and the connection is made to one of those very
//! addresses: a name that changes between the check and the connection gains nothing (DNS rebinding).

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;

use credential::notice::url::{HookUrl, Host};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The port of HTTPS, and of HTTP where it is allowed at all.
const HTTPS: u16 = 443;
const HTTP: u16 = 80;
/// The most addresses of a name that are looked at: one with more is refused, since every one has to be checked.
const MAX_ADDRESSES: usize = 32;

/// The addresses that a name has now.
pub type Resolved = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;
/// Looks a name up.
pub type Resolve = Arc<dyn Fn(String, u16) -> Resolved + Send + Sync>;

/// Looks names up as the system does.
pub(super) fn system() -> Resolve {
    Arc::new(|name, port| {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, port)).await?.collect()) })
    })
}

/// What may be reached.
#[derive(Clone)]
pub struct Reach {
    /// Networks that are opened though they are not public.
    pub allow: Vec<IpNet>,
    /// Ports besides 443, and 80 where HTTP is allowed.
    pub ports: Vec<u16>,
    /// Whether `http://` is allowed.
    pub plain: bool,
    /// Where this server listens.
    pub own: Vec<SocketAddr>,
    /// Looks names up.
    pub resolve: Resolve,
}

/// Why nothing is sent there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum OutOfReach {
    /// Without TLS, where that is not allowed.
    #[error("only https:// addresses are allowed by whoever runs this server")]
    Plain,
    /// A port that is not allowed.
    #[error("the port {0} is not allowed by whoever runs this server")]
    Port(u16),
    /// An address that is not public, or this server itself. It is not told which, so that nobody maps a network.
    #[error("the address is not public")]
    NotPublic,
    /// The name has no address, or none could be learned.
    #[error("the name could not be resolved")]
    NoAddress,
}

impl Reach {
    /// The addresses to connect to, all of them checked.
    pub(super) async fn addresses(&self, url: &HookUrl) -> Result<Vec<SocketAddr>, OutOfReach> {
        if !url.is_secure() && !self.plain {
            return Err(OutOfReach::Plain);
        }
        let port = url.port();
        let usual = port == HTTPS || (port == HTTP && self.plain);
        if !usual && !self.ports.contains(&port) {
            return Err(OutOfReach::Port(port));
        }
        let found = match url.host() {
            Host::Address(address) => vec![SocketAddr::new(*address, port)],
            Host::Name(name) => (self.resolve)(name.clone(), port)
                .await
                .map_err(|_| OutOfReach::NoAddress)?,
        };
        if found.is_empty() || found.len() > MAX_ADDRESSES {
            return Err(OutOfReach::NoAddress);
        }
        // One that is not public among public ones is how a name is made to point inside.
        if found.iter().any(|address| !self.may_reach(*address)) {
            return Err(OutOfReach::NotPublic);
        }
        Ok(found)
    }

    fn may_reach(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let opened = self.allow.iter().any(|network| network.contains(&ip));
        let is_self = self.own.iter().any(|own| {
            own.port() == address.port()
                && (own.ip().to_canonical() == ip || (own.ip().is_unspecified() && is_here(ip)))
        });
        (opened || forbidden(address.ip()).is_none()) && !is_self
    }
}

/// Whether an address is one of this machine's: then a socket that is directed at it gets it as its own. Nothing is sent.
fn is_here(ip: IpAddr) -> bool {
    let any: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let own = || -> io::Result<IpAddr> {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((ip, HTTPS))?;
        Ok(socket.local_addr()?.ip())
    };
    ip.is_loopback() || own().is_ok_and(|own| own == ip)
}

macro_rules! v4 {
    ($($a:literal $b:literal $c:literal $d:literal / $length:literal $why:literal,)*) => {
        &[$((Ipv4Net::new_assert(Ipv4Addr::new($a, $b, $c, $d), $length), $why)),*]
    };
}

/// What is not the public internet of IPv4, after IANA's registry of special-purpose addresses.
const NOT_PUBLIC_V4: &[(Ipv4Net, &str)] = v4! {
    0 0 0 0 / 8 "unspecified",
    10 0 0 0 / 8 "private",
    100 64 0 0 / 10 "carrier-grade NAT",
    127 0 0 0 / 8 "loopback",
    169 254 0 0 / 16 "link-local",
    172 16 0 0 / 12 "private",
    192 0 0 0 / 24 "protocol assignments",
    192 0 2 0 / 24 "documentation",
    192 31 196 0 / 24 "AS112",
    192 52 193 0 / 24 "AMT",
    192 88 99 0 / 24 "6to4 relay",
    192 168 0 0 / 16 "private",
    192 175 48 0 / 24 "AS112",
    198 18 0 0 / 15 "benchmarking",
    198 51 100 0 / 24 "documentation",
    203 0 113 0 / 24 "documentation",
    224 0 0 0 / 4 "multicast",
    240 0 0 0 / 4 "reserved",
    168 63 129 16 / 32 "cloud metadata",
    100 100 100 200 / 32 "cloud metadata",
};

macro_rules! v6 {
    ($($a:literal $b:literal $c:literal $d:literal / $length:literal $why:literal,)*) => {
        &[$((Ipv6Net::new_assert(Ipv6Addr::new($a, $b, $c, $d, 0, 0, 0, 0), $length), $why)),*]
    };
}

/// All of IPv6 that is given out to anybody lies in here; the rest is for special purposes.
const PUBLIC_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What within it is not the public internet.
const NOT_PUBLIC_V6: &[(Ipv6Net, &str)] = v6! {
    0x2001 0 0 0 / 23 "protocol assignments, Teredo, benchmarking",
    0x2001 0xdb8 0 0 / 32 "documentation",
    0x2620 0x4f 0x8000 0 / 48 "AS112",
    0x3fff 0 0 0 / 20 "documentation",
};

/// Why an address is not one of the public internet; `None` when it is. An IPv6 address that carries an IPv4 address is as
/// good as that one.
pub fn forbidden(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => within_v4(ip),
        IpAddr::V6(ip) => match carried(ip) {
            Some(inner) => within_v4(inner),
            None => within_v6(ip),
        },
    }
}

fn within_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let mut networks = NOT_PUBLIC_V4.iter();
    let found = networks.find(|(network, _)| network.contains(&ip));
    found.map(|(_, why)| *why)
}

fn within_v6(ip: Ipv6Addr) -> Option<&'static str> {
    if ip.is_unspecified() {
        return Some("unspecified");
    }
    if !PUBLIC_V6.contains(&ip) {
        return Some("loopback, private, link-local, multicast or reserved");
    }
    let mut networks = NOT_PUBLIC_V6.iter();
    let found = networks.find(|(network, _)| network.contains(&ip));
    found.map(|(_, why)| *why)
}

/// The IPv4 address in an IPv6 address: mapped (`::ffff:0:0/96`), translated (`::ffff:0:0:0/96`), compatible (`::/96`), NAT64
/// (`64:ff9b::/96`, and `64:ff9b:1::/48`, whose operators choose where it lies), 6to4 (`2002::/16`).
fn carried(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let v4 = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match (a, b, c, d, e, f) {
        // `::` and `::1` are what they are.
        (0, 0, 0, 0, 0, 0) if g != 0 || h > 1 => v4(g, h),
        (0, 0, 0, 0, 0, 0xffff) | (0, 0, 0, 0, 0xffff, 0) => v4(g, h),
        (0x64, 0xff9b, 0, 0, 0, 0) => v4(g, h),
        (0x2002, high, low, ..) => v4(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_internet_is_public() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:0808:0808::1",
        ] {
            assert_eq!(forbidden(public.parse().unwrap()), None, "{public}");
        }
        for inside in [
            // Unspecified, loopback, private, link-local, carrier-grade NAT.
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.0",
            "10.255.255.255",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.0.1",
            "100.64.0.1",
            "100.127.255.255",
            // Metadata of clouds.
            "169.254.169.254",
            "169.254.170.2",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd20:ce::254",
            // Documentation, benchmarking, multicast, reserved, broadcast.
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            // The same of IPv6.
            "::",
            "::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "3fff::1",
            "2001::1",
            "2001:2::1",
            "100::1",
            "5f00::1",
            "4000::1",
            // IPv4 in the clothes of IPv6.
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "::127.0.0.1",
            "::10.1.2.3",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "64:ff9b:1:7f00:0:100::",
            "2002:7f00:0001::1",
            "2002:a9fe:a9fe::",
            "2002:c0a8:0101::1",
        ] {
            assert!(forbidden(inside.parse().unwrap()).is_some(), "{inside}");
        }
    }

    fn reach() -> Reach {
        Reach {
            allow: Vec::new(),
            ports: Vec::new(),
            plain: false,
            own: Vec::new(),
            resolve: named(&["1.1.1.1"]),
        }
    }

    /// Every name has these addresses.
    fn named(addresses: &[&str]) -> Resolve {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(move |_, port| {
            let found = addresses
                .iter()
                .map(|ip| SocketAddr::new(*ip, port))
                .collect();
            Box::pin(async move { Ok(found) })
        })
    }

    async fn asked(reach: &Reach, url: &str) -> Result<usize, OutOfReach> {
        let url = HookUrl::new(url).unwrap();
        reach.addresses(&url).await.map(|found| found.len())
    }

    #[tokio::test]
    async fn scheme_and_port_are_what_the_operator_allows() {
        let strict = reach();
        let open = Reach {
            plain: true,
            ports: vec![8443],
            ..reach()
        };
        for (url, by_default, opened) in [
            ("https://example.com/", Ok(1), Ok(1)),
            ("http://example.com/", Err(OutOfReach::Plain), Ok(1)),
            (
                "https://example.com:8443/",
                Err(OutOfReach::Port(8443)),
                Ok(1),
            ),
            (
                "https://example.com:22/",
                Err(OutOfReach::Port(22)),
                Err(OutOfReach::Port(22)),
            ),
            (
                "https://example.com:6379/",
                Err(OutOfReach::Port(6379)),
                Err(OutOfReach::Port(6379)),
            ),
            ("https://example.com:80/", Err(OutOfReach::Port(80)), Ok(1)),
        ] {
            assert_eq!(asked(&strict, url).await, by_default, "{url}");
            assert_eq!(asked(&open, url).await, opened, "{url}");
        }
    }

    #[tokio::test]
    async fn one_address_inside_is_enough_to_refuse_a_name() {
        let refused = Err(OutOfReach::NotPublic);
        for (addresses, expected) in [
            (&["1.1.1.1", "2606:4700:4700::1111"][..], Ok(2)),
            (&["1.1.1.1", "127.0.0.1"][..], refused.clone()),
            (&["::ffff:169.254.169.254"][..], refused),
            (&[][..], Err(OutOfReach::NoAddress)),
            (
                &["1.1.1.1"; MAX_ADDRESSES + 1][..],
                Err(OutOfReach::NoAddress),
            ),
        ] {
            let reach = Reach {
                resolve: named(addresses),
                ..reach()
            };
            assert_eq!(
                asked(&reach, "https://example.com/").await,
                expected,
                "{addresses:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_network_can_be_opened_and_this_server_cannot() {
        let refused = Err(OutOfReach::NotPublic);
        let reach = Reach {
            allow: vec![
                "127.0.0.0/8".parse().unwrap(),
                "10.1.0.0/16".parse().unwrap(),
            ],
            ports: vec![8080],
            own: vec![
                "127.0.0.1:8080".parse().unwrap(),
                "0.0.0.0:443".parse().unwrap(),
            ],
            ..reach()
        };
        for (url, expected) in [
            ("https://10.1.2.3/", Ok(1)),
            ("https://10.2.2.3/", refused.clone()),
            ("https://127.0.0.2:8080/", Ok(1)),
            ("https://127.0.0.1:8080/", refused.clone()),
            ("https://[::ffff:127.0.0.1]:8080/", refused.clone()),
            ("https://[::ffff:10.1.2.3]/", Ok(1)),
            // Listening everywhere is listening on loopback too.
            ("https://127.0.0.1/", refused.clone()),
            ("https://169.254.169.254/", refused),
        ] {
            assert_eq!(asked(&reach, url).await, expected, "{url}");
        }
    }
}
