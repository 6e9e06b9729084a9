//! From where a key may be used.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

/// The networks a key may be used from; none at all is no restriction.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<IpNet>", into = "Vec<IpNet>")]
pub struct Addresses(Vec<IpNet>);

/// Why a list of networks is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddresses {
    /// One entry is neither an address nor a network.
    #[error("{0:?} is neither an IP address nor a network such as 192.0.2.0/24")]
    NotANetwork(String),
    /// More entries than a verdict should read.
    #[error("at most {} networks can be listed", Addresses::MAX)]
    TooMany,
}

impl Addresses {
    /// A list is read on every request; a hundred networks are read in well under a microsecond.
    pub const MAX: usize = 100;

    /// Reads addresses and CIDR networks (RFC 4632); bits behind the prefix are dropped, IPv4 in IPv6 form
    /// (`::ffff:192.0.2.1`) counts as IPv4, duplicates are listed once.
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self, BadAddresses> {
        let mut networks = Vec::new();
        for text in texts {
            let text = text.as_ref().trim();
            let network = text
                .parse::<IpNet>()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| BadAddresses::NotANetwork(text.to_owned()))?;
            networks.push(network);
        }
        Self::try_from(networks)
    }

    /// Whether a caller at `from` may use the key. Where there is a list, an unknown address is not on it.
    pub fn admit(&self, from: Option<IpAddr>) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let Some(from) = from.map(|ip| ip.to_canonical()) else {
            return false;
        };
        self.0.iter().any(|network| network.contains(&from))
    }

    /// Whether every address that this list admits is admitted by `other`.
    pub fn within(&self, other: &Addresses) -> bool {
        other.0.is_empty()
            || (!self.0.is_empty()
                && self
                    .0
                    .iter()
                    .all(|mine| other.0.iter().any(|theirs| theirs.contains(mine))))
    }

    /// The networks.
    pub fn networks(&self) -> &[IpNet] {
        &self.0
    }

    /// Whether there is no restriction.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<IpNet>> for Addresses {
    type Error = BadAddresses;

    fn try_from(networks: Vec<IpNet>) -> Result<Self, BadAddresses> {
        let mut kept: Vec<IpNet> = Vec::with_capacity(networks.len());
        for network in networks {
            let network = canonical(network.trunc());
            if !kept.contains(&network) {
                kept.push(network);
            }
        }
        if kept.len() > Self::MAX {
            return Err(BadAddresses::TooMany);
        }
        Ok(Self(kept))
    }
}

impl From<Addresses> for Vec<IpNet> {
    fn from(addresses: Addresses) -> Self {
        addresses.0
    }
}

/// IPv4 in IPv6 form as IPv4, which is how callers' addresses are compared.
fn canonical(network: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    let IpNet::V6(six) = network else {
        return network;
    };
    match (
        six.addr().to_ipv4_mapped(),
        six.prefix_len().checked_sub(MAPPED_BITS),
    ) {
        (Some(four), Some(prefix)) => Ipv4Net::new(four, prefix).map_or(network, IpNet::V4),
        _ => network,
    }
}

#[cfg(test)]
mod tests;
