//! The typed settings. What each means stands in `config.default.toml`; here are their types.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use credential::time::Span;
use ipnet::IpNet;

use super::gateway::{Policy, Upstream};
use super::layer::Layers;
use super::read::{Hidden, Setting, Size, choice};

/// What is known about a setting apart from its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) secret: bool,
}

impl Known {
    pub(super) fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }
}

macro_rules! sections {
    ($($(#[$doc:meta])* $field:ident: $section:ident {
        $($(#[$about:meta])* $name:ident: $type:ty,)*
    })*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $section {
            $($(#[$about])* pub $name: $type,)*
        })*

        /// Every setting.
        #[derive(Debug, Clone)]
        pub struct Config {
            $($(#[$doc])* pub $field: $section,)*
        }

        /// The list of all settings, in the order of the sections.
        pub(super) const KNOWN: &[Known] = &[$($(Known {
            section: stringify!($field),
            name: stringify!($name),
            secret: <$type as Setting>::SECRET,
        },)*)*];

        impl Config {
            /// Takes every setting out of the layers; nothing when any of them does not fit, with
            /// the flaw noted for each.
            pub(super) fn read(layers: &mut Layers) -> Option<Self> {
                $(let $field = {
                    $(let $name = layers.take::<$type>(concat!(stringify!($field), ".", stringify!($name)));)*
                    (|| Some($section { $($name: $name?,)* }))()
                };)*
                Some(Self { $($field: $field?,)* })
            }
        }
    };
}

sections! {
    /// `[server]`: where it listens, whom it believes, how it stops.
    server: Server {
        /// Where plain HTTP is served, if anywhere.
        listen: Option<SocketAddr>,
        /// Where HTTPS is served, if anywhere.
        tls_listen: Option<SocketAddr>,
        /// The PEM file of the certificate chain.
        tls_certificate: Option<PathBuf>,
        /// The PEM file of its private key.
        tls_key: Option<PathBuf>,
        /// The URL under which clients reach the server, without a slash at the end.
        public_url: Option<String>,
        /// The networks whose forwarding headers are believed.
        trusted_proxies: Vec<IpNet>,
        /// How long requests are still accepted after the signal to stop.
        drain_delay: Span,
        /// How long running requests may then take.
        stop_timeout: Span,
        /// The networks that may read the metrics.
        metrics_from: Vec<IpNet>,
        /// Host names bound to one dialect: host, in lower case, to the dialect's folder name.
        hosts: BTreeMap<String, String>,
    }
    /// `[data]`: the store.
    data: Data {
        /// Where files of the server live.
        directory: PathBuf,
        /// The database; none is SQLite in the directory.
        database_url: Option<Hidden>,
    }
    /// `[limits]`: what a request may cost before anybody knows who sends it.
    limits: Limits {
        /// Bytes of an ordinary body.
        body: Size,
        /// Bytes of an administrative body.
        admin_body: Size,
        /// Bytes of a request head.
        header_bytes: Size,
        /// Header lines of a request.
        header_count: u32,
        /// Bytes of a URL.
        url: Size,
        /// Connections at a time.
        connections: u32,
        /// How long a head may take to arrive.
        header_time: Span,
        /// How long a body may take to arrive.
        body_time: Span,
        /// How deep JSON may nest.
        json_depth: u32,
    }
    /// `[master_key]`: where the key comes from that seals everything.
    master_key: MasterKey {
        /// Which of the three below counts.
        source: MasterKeySource,
        /// The file that holds it.
        file: PathBuf,
        /// The key itself.
        value: Option<Hidden>,
        /// The program that prints it, and its arguments.
        command: Vec<String>,
    }
    /// `[freshness]`: how long a node may go on without news.
    freshness: Freshness {
        /// The bound of the promise.
        max_staleness: Span,
        /// What is added wherever a change waits.
        margin: Span,
    }
    /// `[keys]`: refresh and repetition.
    keys: Keys {
        /// How long a used refresh token is answered again.
        refresh_grace: Span,
        /// How long a creation can be repeated.
        idempotency: Span,
    }
    /// `[product_limits]`: exceptions from the limits that products set for everybody.
    product_limits: ProductLimits {
        /// Keys, by id or client id, that no limit of their product counts.
        exempt: Vec<String>,
        /// Organizations by id: product to the quota of what its keys share.
        organizations: BTreeMap<String, BTreeMap<String, u32>>,
    }
    /// `[audit]`: the chain of events.
    audit: Audit {
        /// The time between two checkpoints.
        checkpoint_every: Span,
        /// The events between two checkpoints, at most.
        checkpoint_events: u32,
        /// How long events are kept.
        retention: Span,
        /// Where checkpoints are written as files.
        checkpoint_directory: Option<PathBuf>,
    }
    /// `[retention]`: when what is out of date is removed.
    retention: Retention {
        /// The time between two rounds.
        every: Span,
        /// Rows per step.
        batch: u32,
        /// Tokens, after they expired.
        tokens: Span,
        /// Refresh families, after their end.
        families: Span,
        /// Idempotency keys.
        idempotency: Span,
        /// Usage figures.
        usage: Span,
    }
    /// `[signing]`: the keys of access tokens.
    signing: Signing {
        /// How long one key signs.
        rollover: Span,
        /// How long the next is published before.
        publish_before_use: Span,
    }
    /// `[notices]`: what notices may reach.
    notices: Notices {
        /// Networks that webhooks may reach though they are not public.
        webhook_allow: Vec<IpNet>,
        /// Ports that webhooks may reach besides 443.
        webhook_ports: Vec<u16>,
        /// Whether webhooks may go without TLS.
        webhook_http: bool,
        /// A PEM file with authorities that receivers' certificates may come from besides the system's.
        webhook_ca: Option<PathBuf>,
    }
    /// `[smtp]`: the mail server that notices are given to.
    smtp: Smtp {
        /// Its name; without one no e-mail is sent.
        host: Option<String>,
        /// Its port.
        port: u16,
        /// How the connection is protected.
        security: SmtpSecurity,
        /// Who logs in, if anybody.
        user: Option<String>,
        /// With what.
        password: Option<Hidden>,
        /// Whom messages come from.
        from: Option<String>,
        /// A PEM file with an authority that its certificate may come from besides the system's.
        ca: Option<PathBuf>,
    }
    /// `[signed_requests]`: requests that prove a secret without sending it.
    signed_requests: SignedRequests {
        /// How often one signature is good.
        replay: ReplayMode,
    }
    /// `[log]`: what is logged, and how.
    log: Log {
        /// The shape of a line.
        format: LogFormat,
        /// The filter, as `tracing` reads it.
        level: String,
    }
    /// `[threat_response]`: what the dialect of that name says about where it is.
    threat_response: ThreatResponse {
        /// The regions by name: the URL of each, without a slash at the end.
        regions: BTreeMap<String, String>,
    }
    /// `[gateway]`: the APIs that keys open.
    gateway: GatewaySettings {
        /// Connecting to an upstream.
        connect_timeout: Span,
        /// Until its answer begins.
        answer_timeout: Span,
        /// The longest pause within a body.
        idle_timeout: Span,
        /// How long an unused connection is kept.
        pool_idle_timeout: Span,
        /// Unused connections per upstream.
        pool_size: u32,
        /// The upstreams by name.
        upstreams: BTreeMap<String, Upstream>,
        /// The policies by name.
        policies: BTreeMap<String, Policy>,
    }
}

choice! {
    /// Where the master key comes from.
    MasterKeySource {
        /// A file, made at the first start.
        File = "file",
        /// The setting itself.
        Value = "value",
        /// What a program prints.
        Command = "command",
    }
}

choice! {
    /// How often a signature is good that covers nothing of its request.
    ReplayMode {
        /// For several different requests that come soon from one address.
        Compatible = "compatible",
        /// Once.
        Strict = "strict",
    }
}

choice! {
    /// How requests of a policy present a credential.
    CredentialForm {
        /// One text that says it all, in one of the headers.
        Bearer = "bearer",
        /// An identifier beside a secret, or beside a hash with nonce and timestamp, each in a header of its own.
        SignedOrPair = "signed_or_pair",
    }
}

choice! {
    /// The shape of a log line.
    LogFormat {
        /// For people.
        Text = "text",
        /// For machines.
        Json = "json",
    }
}

choice! {
    /// How the connection to the mail server is protected.
    SmtpSecurity {
        /// By TLS from its first byte.
        Tls = "tls",
        /// By TLS from the command STARTTLS on; without it nothing is sent.
        Starttls = "starttls",
        /// Not at all.
        None = "none",
    }
}
