//! What a setting cannot say alone: contradictions between settings, and values that would undo a
//! promise.

use credential::id::OrganizationId;
use credential::time::Span;

use super::layer::Layers;
use super::{Config, MasterKeySource, SmtpSecurity};
use crate::gateway::route::Table;

/// Below this a poll would begin before the last one has come back.
const LEAST_STALENESS: Span = Span::from_millis(200);
/// Above this "revoked means revoked" would mean little.
const MOST_STALENESS: Span = Span::from_secs(60);
/// Less than hyper's smallest read buffer cannot be enforced.
const LEAST_HEADER_BYTES: usize = 8192;
/// The length of a sealing key in any encoding that `keyring new` prints is above this.
const LEAST_MASTER_KEY: usize = 32;

/// Notes every contradiction.
pub(super) fn check(config: &Config, layers: &mut Layers) {
    server(config, layers);
    limits(config, layers);
    times(config, layers);
    master_key(config, layers);
    product_limits(config, layers);
    regions(config, layers);
    gateway(config, layers);
    smtp(config, layers);
}

fn server(config: &Config, layers: &mut Layers) {
    let server = &config.server;
    if server.listen.is_none() && server.tls_listen.is_none() {
        layers.refuse(
            "server.listen",
            "neither this nor server.tls_listen is set: nobody could reach the server",
        );
    }
    if server.tls_listen.is_some() {
        for (setting, path) in [
            ("server.tls_certificate", &server.tls_certificate),
            ("server.tls_key", &server.tls_key),
        ] {
            if path.is_none() {
                layers.refuse(setting, "is needed for server.tls_listen");
            }
        }
    }
    if server
        .public_url
        .as_ref()
        .is_some_and(|url| !is_origin(url))
    {
        layers.refuse(
            "server.public_url",
            "expected https:// and a host, without a path and a slash at the end",
        );
    }
    if server
        .trusted_proxies
        .iter()
        .any(|network| network.prefix_len() == 0)
    {
        layers.refuse(
            "server.trusted_proxies",
            "trusts everybody: anyone could choose their address, and ask about keys as a gateway",
        );
    }
    for host in server.hosts.keys() {
        if host.contains([':', '/']) || *host != host.to_ascii_lowercase() {
            layers.refuse(
                &format!("server.hosts.{host}"),
                "expected a host name in lower case, without a port",
            );
        }
    }
}

fn limits(config: &Config, layers: &mut Layers) {
    let limits = &config.limits;
    if limits.header_bytes.0 < LEAST_HEADER_BYTES {
        layers.refuse(
            "limits.header_bytes",
            format!("at least {LEAST_HEADER_BYTES} bytes are needed"),
        );
    }
    if limits.admin_body < limits.body {
        layers.refuse("limits.admin_body", "is below limits.body");
    }
    for (setting, number) in [
        ("limits.header_count", limits.header_count),
        ("limits.connections", limits.connections),
        ("limits.json_depth", limits.json_depth),
        ("retention.batch", config.retention.batch),
        ("audit.checkpoint_events", config.audit.checkpoint_events),
    ] {
        if number == 0 {
            layers.refuse(setting, "is 0: nothing would be served");
        }
    }
    if limits.json_depth > 100 {
        layers.refuse("limits.json_depth", "above 100 the reader itself refuses");
    }
}

fn times(config: &Config, layers: &mut Layers) {
    for (setting, time) in [
        ("limits.header_time", config.limits.header_time),
        ("limits.body_time", config.limits.body_time),
        ("audit.checkpoint_every", config.audit.checkpoint_every),
        ("retention.every", config.retention.every),
        ("signing.rollover", config.signing.rollover),
        ("gateway.connect_timeout", config.gateway.connect_timeout),
        ("gateway.answer_timeout", config.gateway.answer_timeout),
        ("gateway.idle_timeout", config.gateway.idle_timeout),
    ] {
        if time == Span::ZERO {
            layers.refuse(setting, "no time at all is too short");
        }
    }
    let freshness = &config.freshness;
    if freshness.max_staleness < LEAST_STALENESS || freshness.max_staleness > MOST_STALENESS {
        layers.refuse("freshness.max_staleness", "must lie between 200ms and 60s");
    }
    if freshness.margin == Span::ZERO || freshness.margin > freshness.max_staleness {
        layers.refuse(
            "freshness.margin",
            "must lie above nothing and not above freshness.max_staleness",
        );
    }
    if config.retention.idempotency < config.keys.idempotency {
        layers.refuse("retention.idempotency", "is below keys.idempotency");
    }
    if config.signing.publish_before_use > config.signing.rollover {
        layers.refuse("signing.publish_before_use", "is above signing.rollover");
    }
}

fn product_limits(config: &Config, layers: &mut Layers) {
    for (id, quotas) in &config.product_limits.organizations {
        let at = format!("product_limits.organizations.{id}");
        if id.parse::<OrganizationId>().is_err() {
            layers.refuse(&at, "expected the id of an organization");
        }
        for (product, quota) in quotas {
            if *quota == 0 {
                let at = format!("{at}.{product}");
                layers.refuse(&at, "is 0: who may do nothing is disabled instead");
            }
        }
    }
}

fn regions(config: &Config, layers: &mut Layers) {
    for (name, url) in &config.threat_response.regions {
        if !is_origin(url) {
            layers.refuse(
                &format!("threat_response.regions.{name}"),
                "expected https:// and a host, without a path and a slash at the end",
            );
        }
    }
}

/// Whether a text is a scheme and a host, and nothing more.
fn is_origin(url: &str) -> bool {
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@']))
}

fn master_key(config: &Config, layers: &mut Layers) {
    let key = &config.master_key;
    match key.source {
        MasterKeySource::File => {}
        MasterKeySource::Value => match &key.value {
            None => layers.refuse(
                "master_key.value",
                "is needed for master_key.source = \"value\"",
            ),
            Some(value) if value.expose().len() < LEAST_MASTER_KEY => {
                layers.refuse(
                    "master_key.value",
                    "is too short to be a key; `latchkey keyring new` makes one",
                );
            }
            Some(_) => {}
        },
        MasterKeySource::Command if key.command.is_empty() => {
            layers.refuse(
                "master_key.command",
                "is needed for master_key.source = \"command\"",
            );
        }
        MasterKeySource::Command => {}
    }
    if key.source != MasterKeySource::Value && key.value.is_some() {
        layers.refuse(
            "master_key.value",
            "is set, but master_key.source is not \"value\"",
        );
    }
}

fn gateway(config: &Config, layers: &mut Layers) {
    let gateway = &config.gateway;
    for (name, policy) in &gateway.policies {
        let at = format!("gateway.policies.{name}");
        if let Err(fault) = Table::new(&policy.routes, |_| Ok(Vec::new())) {
            layers.refuse(&format!("{at}.routes"), fault.to_string());
        }
        match &policy.upstream {
            Some(upstream) if !gateway.upstreams.contains_key(upstream) => {
                layers.refuse(
                    &format!("{at}.upstream"),
                    format!("there is no upstream {upstream:?}"),
                );
            }
            Some(_) if policy.prefixes.is_empty() && policy.hosts.is_empty() => {
                layers.refuse(
                    &format!("{at}.prefixes"),
                    "with an upstream, hosts or prefixes are needed",
                );
            }
            _ => {}
        }
    }
}

fn smtp(config: &Config, layers: &mut Layers) {
    let smtp = &config.smtp;
    let Some(host) = &smtp.host else {
        return;
    };
    let is_loopback = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    if smtp.security == SmtpSecurity::None && !is_loopback {
        layers.refuse(
            "smtp.security",
            "\"none\" is for a mail server on this machine only: others would read the notices and the password",
        );
    }
    match &smtp.from {
        None => layers.refuse("smtp.from", "is needed for smtp.host"),
        Some(from) if from.parse::<lettre::message::Mailbox>().is_err() => layers.refuse(
            "smtp.from",
            "expected an address such as latchkey@example.com or Latchkey <latchkey@example.com>",
        ),
        Some(_) => {}
    }
    if smtp.user.is_some() != smtp.password.is_some() {
        layers.refuse("smtp.user", "and smtp.password belong together");
    }
}
