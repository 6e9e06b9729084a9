//! What the authority is told of the settings: one function, so that no setting is read and forgotten.

use authority::Settings;
use authority::settings::{Audit, ProductLimits, Replay, Retention, Signing};
use credential::time::Span;

use crate::config::{self, Config, ReplayMode};
use crate::edge::listener::Addresses;

/// The authority's settings. `issuer` is the public address ([`issuer`]), `replica` what people call this process.
pub fn settings(config: &Config, issuer: String, replica: &str) -> Settings {
    let Config {
        freshness,
        keys,
        audit,
        retention,
        signing,
        product_limits,
        signed_requests,
        ..
    } = config;
    let default = Settings::default();
    Settings {
        issuer,
        replica_name: replica.to_owned(),
        max_staleness: freshness.max_staleness,
        staleness_margin: freshness.margin,
        refresh_grace: keys.refresh_grace,
        repeat_within: keys.idempotency,
        replay: match signed_requests.replay {
            ReplayMode::Compatible => Replay::Compatible,
            ReplayMode::Strict => Replay::Strict,
        },
        signing: Signing {
            rollover: signing.rollover,
            publish_before: signing.publish_before_use,
        },
        audit: Audit {
            checkpoint_every: audit.checkpoint_every,
            checkpoint_events: i64::from(audit.checkpoint_events),
            checkpoint_directory: audit.checkpoint_directory.clone(),
        },
        retention: Retention {
            every: retention.every,
            batch: usize::try_from(retention.batch).unwrap_or(usize::MAX),
            tokens: retention.tokens,
            families: retention.families,
            idempotency: retention.idempotency,
            usage: retention.usage,
            audit: Some(audit.retention).filter(|kept| *kept > Span::ZERO),
            ..default.retention
        },
        product_limits: exceptions(product_limits),
        ..default
    }
}

/// The exceptions from limits of products. What is no id was refused when the settings were read.
pub fn exceptions(limits: &config::ProductLimits) -> ProductLimits {
    let organizations = limits.organizations.iter().filter_map(|(id, quotas)| {
        let quotas = quotas.iter();
        let quotas = quotas.map(|(product, quota)| (product.clone(), u64::from(*quota)));
        Some((id.parse().ok()?, quotas.collect()))
    });
    ProductLimits {
        exempt: limits.exempt.iter().cloned().collect(),
        organizations: organizations.collect(),
    }
}

/// The public address of the server, without a slash at its end: the one that the settings name, or where it listens.
pub fn issuer(config: &Config, addresses: Addresses) -> String {
    match (&config.server.public_url, addresses.plain, addresses.tls) {
        (Some(url), _, _) => url.clone(),
        (None, Some(address), _) => format!("http://{address}"),
        (None, None, Some(address)) => format!("https://{address}"),
        (None, None, None) => "http://localhost".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Sources;

    /// Every setting that the authority knows, each with a value of its own.
    const TEXT: &str = r#"
[freshness]
max_staleness = "901ms"
margin = "101ms"
[keys]
refresh_grace = "61s"
idempotency = "9m"
[audit]
checkpoint_every = "62s"
checkpoint_events = 1003
checkpoint_directory = "/checkpoints"
retention = "401d"
[retention]
every = "63s"
batch = 501
tokens = "6d"
families = "31d"
idempotency = "8d"
usage = "91d"
[signing]
rollover = "92d"
publish_before_use = "3h"
[product_limits]
exempt = ["client-1"]
[product_limits.organizations]
00000000-0000-7000-8000-000000000001 = { secure_access = 3 }
[signed_requests]
replay = "strict"
"#;

    fn config(text: &str) -> Config {
        let file = Some((Path::new("test.toml").to_owned(), text.to_owned()));
        Config::load(&Sources {
            file,
            ..Sources::default()
        })
        .unwrap()
        .config
    }

    #[test]
    fn each_setting_of_the_authority_arrives() {
        let told = settings(&config(TEXT), "https://keys.example".to_owned(), "one");
        assert_eq!(
            (told.issuer.as_str(), told.replica_name.as_str()),
            ("https://keys.example", "one")
        );
        for (found, expected) in [
            (told.max_staleness, Span::from_millis(901)),
            (told.staleness_margin, Span::from_millis(101)),
            (told.refresh_grace, Span::from_secs(61)),
            (told.repeat_within, Span::from_minutes(9)),
            (told.retention.every, Span::from_secs(63)),
            (told.retention.tokens, Span::from_days(6)),
            (told.audit.checkpoint_every, Span::from_secs(62)),
            (told.retention.families, Span::from_days(31)),
            (told.retention.idempotency, Span::from_days(8)),
            (told.retention.usage, Span::from_days(91)),
            (told.signing.rollover, Span::from_days(92)),
            (told.signing.publish_before, Span::from_hours(3)),
        ] {
            assert_eq!(found, expected);
        }
        assert_eq!(
            (told.audit.checkpoint_events, told.retention.batch),
            (1003, 501)
        );
        let organization = "00000000-0000-7000-8000-000000000001".parse().unwrap();
        assert!(told.product_limits.exempt.contains("client-1"));
        assert_eq!(
            told.product_limits.organizations[&organization]["secure_access"],
            3
        );
        assert_eq!(
            told.audit.checkpoint_directory.as_deref(),
            Some(Path::new("/checkpoints"))
        );
        assert_eq!(told.retention.audit, Some(Span::from_days(401)));
        assert_eq!(told.replay, Replay::Strict);
    }

    #[test]
    fn an_audit_retention_of_nothing_keeps_events_for_good() {
        let told = settings(&config("[audit]\nretention = \"0s\"\n"), String::new(), "");
        assert_eq!(told.retention.audit, None);
    }

    #[test]
    fn the_issuer_is_the_public_address_or_where_it_listens() {
        let (plain, tls) = ("127.0.0.1:1".parse().ok(), "127.0.0.1:2".parse().ok());
        let named = config("[server]\npublic_url = \"https://keys.example\"\n");
        let unnamed = config("");
        for (config, plain, tls, expected) in [
            (&named, plain, tls, "https://keys.example"),
            (&unnamed, plain, tls, "http://127.0.0.1:1"),
            (&unnamed, None, tls, "https://127.0.0.1:2"),
        ] {
            assert_eq!(issuer(config, Addresses { plain, tls }), expected);
        }
    }
}
