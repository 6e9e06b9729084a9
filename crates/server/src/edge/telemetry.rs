//! What is counted. No key, organization or path is ever a label: labels are few and fixed.

use std::fmt;
use std::time::Duration;

use authority::{Authority, VERDICT_CODES};
use axum::response::Response;
use http::Method;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::{Forwarded, RouteName};

/// The bounds of the OpenTelemetry convention for `http.server.request.duration`, in seconds, with
/// three finer ones, since most answers here take less than the first of them.
const HTTP_BOUNDS: [f64; 17] = [
    0.0002, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0,
    7.5, 10.0,
];

/// Bounds for the verdict alone, in seconds: from a tenth of a millisecond to Envoy's patience.
const VERDICT_BOUNDS: [f64; 9] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.025, 0.1, 0.25,
];

/// The age that is shown of a replica which does not know itself to be current, in milliseconds: a day.
const NEVER_FRESH: i64 = 86_400_000;

/// The counters of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    http: Family<HttpLabels, Counter>,
    http_duration: Family<RouteLabels, Histogram, fn() -> Histogram>,
    verdict_duration: Family<ViaLabels, Histogram, fn() -> Histogram>,
    panics: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HttpLabels {
    method: &'static str,
    route: String,
    status: u32,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ViaLabels {
    via: &'static str,
}

impl Metrics {
    /// Counters at zero. `version` is the program's.
    pub fn new(version: &str) -> Self {
        let mut registry = Registry::with_prefix("latchkey");
        let http = Family::default();
        let http_duration =
            Family::new_with_constructor((|| Histogram::new(HTTP_BOUNDS)) as fn() -> Histogram);
        let verdict_duration =
            Family::new_with_constructor((|| Histogram::new(VERDICT_BOUNDS)) as fn() -> Histogram);
        let panics = Counter::default();
        registry.register(
            "build",
            "The program",
            Info::new(vec![("version".to_owned(), version.to_owned())]),
        );
        registry.register(
            "http_requests",
            "Requests answered, by route template",
            http.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time from the head of a request to the head of its answer",
            Unit::Seconds,
            http_duration.clone(),
        );
        registry.register_with_unit(
            "verification_duration",
            "Time that a verdict took",
            Unit::Seconds,
            verdict_duration.clone(),
        );
        registry.register(
            "panics",
            "Handlers that panicked: each is a defect",
            panics.clone(),
        );
        Self {
            registry,
            http,
            http_duration,
            verdict_duration,
            panics,
        }
    }

    /// Shows what the authority counts: verdicts, reads of the store, and how current this replica is.
    pub fn watch(&mut self, authority: Authority) {
        self.registry
            .register_collector(Box::new(Counted(authority)));
    }

    /// Lets another part register its own before it starts, as `latchkey_<part>_…`.
    pub fn part(&mut self, name: &'static str) -> &mut Registry {
        self.registry.sub_registry_with_prefix(name)
    }

    /// Notes how long a verdict took; `via` is the entrance it was asked at.
    pub fn verdict_took(&self, via: &'static str, took: Duration) {
        self.verdict_duration
            .get_or_create(&ViaLabels { via })
            .observe(took.as_secs_f64());
    }

    /// Everything, in the text format of OpenMetrics.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    pub(super) fn answered(&self, method: &'static str, response: &Response, took: Duration) {
        let named = response
            .extensions()
            .get::<RouteName>()
            .map(|route| route.0.clone());
        let forwarded = response.extensions().get::<Forwarded>().is_some();
        let route =
            named.unwrap_or_else(|| if forwarded { "forwarded" } else { "unmatched" }.to_owned());
        let status = u32::from(response.status().as_u16());
        self.http_duration
            .get_or_create(&RouteLabels {
                method,
                route: route.clone(),
            })
            .observe(took.as_secs_f64());
        self.http
            .get_or_create(&HttpLabels {
                method,
                route,
                status,
            })
            .inc();
    }

    pub(super) fn panicked(&self) {
        self.panics.inc();
    }
}

/// What the authority counts, read when somebody looks.
struct Counted(Authority);

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}

impl Collector for Counted {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut verdicts = encoder.encode_descriptor(
            "verdicts",
            "Verdicts on credentials, by code",
            None,
            MetricType::Counter,
        )?;
        for (code, count) in VERDICT_CODES.into_iter().zip(self.0.verdicts()) {
            let labels = [("code", code)];
            verdicts
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
        }
        encoder
            .encode_descriptor(
                "keyring_loads",
                "Reads of the store for what was not at hand",
                None,
                MetricType::Counter,
            )?
            .encode_counter::<NoLabelSet, u64, u64>(&self.0.keyring_loads(), None)?;
        let age = self.0.freshness_age().millis().clamp(0, NEVER_FRESH);
        encoder
            .encode_descriptor(
                "freshness_age",
                "Since this replica last knew itself to be current",
                Some(&Unit::Seconds),
                MetricType::Gauge,
            )?
            .encode_gauge(&(age as f64 / 1000.0))?;
        encoder
            .encode_descriptor(
                "revision",
                "The number of the last change that this replica has applied",
                None,
                MetricType::Gauge,
            )?
            .encode_gauge(&self.0.revision())
    }
}

/// The method as a label: clients can invent methods, and must not invent labels.
pub(super) fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
