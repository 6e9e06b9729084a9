//! A small client of the native API, for the commands that act on a running server.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, IF_MATCH};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use server::edge::tls::provider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::exit::Reason;

/// The environment's names for a key and for a file with one.
const KEY: &str = "LATCHKEY_KEY";
const KEY_FILE: &str = "LATCHKEY_KEY_FILE";

/// How long an answer may take. A bulk change of a thousand keys takes about one second.
const PATIENCE: Duration = Duration::from_secs(60);
/// The largest answer that is read whole: a page of a thousand keys stays below 4 MiB.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// The longest text on standard input or in a file that may be a key.
const LONGEST_KEY: u64 = 64 * 1024;
/// Items per page, the most that the API gives.
const PAGE: usize = 500;

/// The server that a command talks to, and the key that opens it.
#[derive(Args)]
pub(crate) struct Reach {
    /// The server.
    #[arg(
        long,
        env = "LATCHKEY_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8080"
    )]
    pub(crate) url: Uri,

    /// A PEM file with the authorities that the server's certificate may come from.
    #[arg(long, env = "LATCHKEY_CA_FILE", value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,

    /// The file with the key to call with (also LATCHKEY_KEY_FILE, or the key itself in LATCHKEY_KEY).
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,

    /// Read the key to call with from standard input.
    #[arg(long, conflicts_with = "key_file")]
    pub(crate) key_stdin: bool,
}

/// A connection to a server.
pub(crate) struct Server {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    key: Option<HeaderValue>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Reach {
    /// A connection that calls with the key of the environment, of a file, or of standard input.
    pub(crate) fn with_key(&self) -> anyhow::Result<Server> {
        let key = self.find_key()?.ok_or_else(|| {
            Reason::Usage.because(format!(
                "which key shall be used? Put it into {KEY}, its file into {KEY_FILE} or --key-file, or pipe it in with --key-stdin"
            ))
        })?;
        self.server(Some(&key))
    }

    /// A connection that calls with a credential that the command has found elsewhere, or with none.
    pub(crate) fn server(&self, key: Option<&str>) -> anyhow::Result<Server> {
        let host = self.url.host().unwrap_or_default();
        let safe = match self.url.scheme_str() {
            Some("https") => true,
            Some("http") => key.is_none() || is_loopback(host),
            _ => {
                return Err(Reason::Usage.because("--url begins with neither http:// nor https://"));
            }
        };
        if !safe {
            return Err(Reason::Usage.because(format!(
                "over http:// to {host} everybody on the way could read the key; use https://"
            )));
        }
        if self.url.path().len() > 1 || self.url.query().is_some() {
            return Err(Reason::Usage.because("--url names a server, without a path"));
        }
        let key = key.map(|key| -> anyhow::Result<HeaderValue> {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}"))
                .map_err(|_| Reason::Usage.because("what was given as the key is none"))?;
            value.set_sensitive(true);
            Ok(value)
        });
        Ok(Server {
            client: Client::builder(TokioExecutor::new()).build(connector(self.ca_file.as_ref())?),
            base: self.url.to_string().trim_end_matches('/').to_owned(),
            key: key.transpose()?,
        })
    }

    fn find_key(&self) -> anyhow::Result<Option<String>> {
        if self.key_stdin {
            return secret_from(std::io::stdin().lock())
                .map(Some)
                .context("standard input");
        }
        let from_file = |path: PathBuf| {
            let file = std::fs::File::open(&path).map_err(anyhow::Error::from);
            file.and_then(secret_from)
                .map(Some)
                .with_context(|| format!("cannot read a key from {}", path.display()))
        };
        if let Some(path) = &self.key_file {
            return from_file(path.clone());
        }
        match (std::env::var(KEY), std::env::var_os(KEY_FILE)) {
            (Ok(_), Some(_)) => Err(Reason::Usage.because(format!(
                "{KEY} and {KEY_FILE} are both set; one of the two must go"
            ))),
            (Ok(key), None) => Ok(Some(key.trim().to_owned())),
            (Err(_), Some(path)) => from_file(PathBuf::from(path)),
            (Err(_), None) => Ok(None),
        }
    }
}

/// A secret that stands alone in what is read.
pub(crate) fn secret_from(source: impl Read) -> anyhow::Result<String> {
    let mut text = String::new();
    source.take(LONGEST_KEY).read_to_string(&mut text)?;
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(Reason::Usage
            .because("a key or credential was expected there, one word and nothing else"));
    }
    Ok(text.to_owned())
}

/// A password: the first line of what is read, as it stands.
pub(crate) fn password_from(source: impl Read) -> anyhow::Result<String> {
    let mut text = String::new();
    source.take(LONGEST_KEY).read_to_string(&mut text)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() || line.contains('\n') {
        return Err(Reason::Usage.because("a password was expected there, on one line"));
    }
    Ok(line.to_owned())
}

impl Server {
    /// Reads something.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, None, None).await
    }

    /// Does something.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(body), None).await
    }

    /// Changes something; `version` is the one it must still have.
    pub(crate) async fn patch(
        &self,
        path: &str,
        body: &Value,
        version: Option<i64>,
    ) -> anyhow::Result<Value> {
        self.call(Method::PATCH, path, Some(body), version).await
    }

    /// Puts something in the place of what is there.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::PUT, path, Some(body), None).await
    }

    /// Removes something.
    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::DELETE, path, None, None).await
    }

    /// The items of a collection, page after page, at most `most` of them. `query` is what selects them.
    pub(crate) async fn items(
        &self,
        path: &str,
        query: &[(&str, Option<&str>)],
        most: usize,
    ) -> anyhow::Result<Vec<Value>> {
        let mut items: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let limit = (most - items.len()).min(PAGE).to_string();
            let own = [
                ("limit", Some(limit.as_str())),
                ("cursor", cursor.as_deref()),
            ];
            let page = self
                .get(&with_query(path, query.iter().chain(&own)))
                .await?;
            let Some(more) = page["items"].as_array() else {
                bail!("the server's answer is no list")
            };
            items.extend(more.iter().cloned());
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() || items.len() >= most {
                return Ok(items);
            }
        }
    }

    /// Writes an answer of any length as it comes.
    pub(crate) async fn download(&self, path: &str, into: &mut impl Write) -> anyhow::Result<()> {
        let mut request = Request::builder()
            .method(Method::GET)
            .uri(format!("{}{path}", self.base));
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        let response = self
            .client
            .request(request.body(Full::default())?)
            .await
            .map_err(causes);
        let (head, mut body) = response
            .with_context(|| format!("cannot reach {}", self.base))?
            .into_parts();
        if !head.status.is_success() {
            let body = Limited::new(body, LARGEST_ANSWER)
                .collect()
                .await
                .map_err(|error| anyhow::anyhow!("{error}"))?;
            return Answer {
                status: head.status,
                body: body.to_bytes(),
            }
            .good()
            .map(drop);
        }
        while let Some(frame) = tokio::time::timeout(PATIENCE, body.frame())
            .await
            .context("the server fell silent")?
        {
            if let Ok(data) = frame?.into_data() {
                into.write_all(&data)?;
            }
        }
        Ok(())
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        version: Option<i64>,
    ) -> anyhow::Result<Value> {
        let if_match = version
            .map(|version| HeaderValue::try_from(format!("\"{version}\"")))
            .transpose()?;
        let headers: Vec<(HeaderName, HeaderValue)> = if_match
            .into_iter()
            .map(|value| (IF_MATCH, value))
            .collect();
        self.send(method, path, body, &headers).await?.good()
    }

    /// Sends a request and reads the whole answer, whatever it says.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(HeaderName, HeaderValue)],
    ) -> anyhow::Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        request = request.header(ACCEPT, "application/json");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(
            body.map(Value::to_string).unwrap_or_default().into(),
        ))?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(causes)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LARGEST_ANSWER)
                .collect()
                .await
                .map_err(|error| anyhow::anyhow!("{error}"))?;
            anyhow::Ok(Answer {
                status: head.status,
                body: body.to_bytes(),
            })
        };
        let unreachable = || format!("cannot reach {}", self.base);
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .with_context(unreachable)?
            .with_context(unreachable)
    }
}

impl Answer {
    /// The body of an answer that is good; the server's own words otherwise.
    pub(crate) fn good(&self) -> anyhow::Result<Value> {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or(Value::Null);
        if self.status.is_success() {
            return Ok(body);
        }
        let word = |member: &str| body[member].as_str().map(str::to_owned);
        let title = word("title").unwrap_or_else(|| self.status.to_string());
        let words = match word("detail") {
            Some(detail) => format!("{title}: {detail}"),
            None => title,
        };
        if self.status.is_server_error() {
            bail!("the server failed: {words}");
        }
        Err(Reason::Refused.because(format!("the server refused: {words}")))
    }
}

/// The path with a query of those that have a value.
pub(crate) fn with_query<'q>(
    path: &str,
    query: impl IntoIterator<Item = &'q (&'q str, Option<&'q str>)>,
) -> String {
    let mut text = path.to_owned();
    for (name, value) in query {
        let Some(value) = value else { continue };
        text.push(if text.contains('?') { '&' } else { '?' });
        text.push_str(name);
        text.push('=');
        text.push_str(&encoded(value));
    }
    text
}

/// A text as a part of a URL (RFC 3986, section 2.3).
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The client says only "client error"; why stands behind it.
fn causes(error: hyper_util::client::legacy::Error) -> anyhow::Error {
    let mut words = Vec::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(error) = cause {
        words.push(error.to_string());
        cause = error.source();
    }
    if words.is_empty() {
        words.push(error.to_string());
    }
    let words = words.join(": ");
    match advice_on(&words) {
        Some(advice) => anyhow::anyhow!("{words}: {advice}"),
        None => anyhow::anyhow!(words),
    }
}

/// What to do about a certificate that is refused, for the commonest reasons. They are known by their words: the TLS
/// library's own error is out of reach in the chain.
fn advice_on(words: &str) -> Option<&'static str> {
    if words.contains("UnknownIssuer") {
        Some("name the authority that issued it with --ca-file or LATCHKEY_CA_FILE")
    } else if words.contains("CaUsedAsEndEntity") {
        Some(
            "it is an authority's own certificate; a server needs one that is not \
             (openssl req … -addext basicConstraints=critical,CA:FALSE)",
        )
    } else {
        None
    }
}

fn connector(ca_file: Option<&PathBuf>) -> anyhow::Result<HttpsConnector<HttpConnector>> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider()))
        .with_safe_default_protocol_versions()?;
    let settings = match ca_file {
        None => builder.with_webpki_roots().with_no_client_auth(),
        Some(path) => {
            let unreadable = || format!("cannot read certificates from {}", path.display());
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path).with_context(unreadable)? {
                roots.add(certificate.with_context(unreadable)?)?;
            }
            if roots.is_empty() {
                bail!("there is no certificate in {}", path.display());
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(settings)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(url: &str) -> Reach {
        Reach {
            url: url.parse().unwrap(),
            ca_file: None,
            key_file: None,
            key_stdin: false,
        }
    }

    #[test]
    fn a_refused_certificate_comes_with_advice() {
        let advice = |words| advice_on(words).unwrap_or_default();
        assert!(advice("invalid peer certificate: UnknownIssuer").contains("--ca-file"));
        assert!(
            advice("invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))")
                .contains("CA:FALSE")
        );
        assert_eq!(advice_on("tcp connect error: Connection refused"), None);
    }

    #[test]
    fn a_key_goes_over_plain_http_to_this_machine_only() {
        for url in [
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://localhost",
            "https://keys.example.com",
        ] {
            assert!(reach(url).server(Some("lk_key_x")).is_ok(), "{url}");
        }
        for url in [
            "http://keys.example.com",
            "http://10.0.0.1",
            "http://localhost.example.com",
        ] {
            assert!(reach(url).server(Some("lk_key_x")).is_err(), "{url}");
        }
    }

    #[test]
    fn a_query_holds_what_has_a_value_and_nothing_can_break_out_of_it() {
        let query = [("a", Some("x y&z=1")), ("b", None), ("c", Some("ü"))];
        assert_eq!(
            with_query("/keys", &query),
            "/keys?a=x%20y%26z%3D1&c=%C3%BC"
        );
    }

    #[test]
    fn a_secret_is_one_word() {
        assert_eq!(secret_from("  lk_key_x\n".as_bytes()).unwrap(), "lk_key_x");
        assert!(secret_from("".as_bytes()).is_err());
        assert!(secret_from("two words".as_bytes()).is_err());
    }

    #[test]
    fn what_the_server_says_against_it_is_said_on() {
        let answer = |status: u16, body: &str| Answer {
            status: StatusCode::from_u16(status).unwrap(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        let problem = r#"{"type":"x","title":"Not found","detail":"There is no such key here."}"#;
        let error = answer(404, problem).good().unwrap_err().to_string();
        assert_eq!(
            error,
            "the server refused: Not found: There is no such key here."
        );
        assert!(
            answer(502, "<html>")
                .good()
                .unwrap_err()
                .to_string()
                .contains("502")
        );
        assert_eq!(answer(204, "").good().unwrap(), Value::Null);
    }
}
