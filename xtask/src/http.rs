//! A small HTTP/1.1 client for harnesses: one connection, one request at a time, plain text, loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// A server that says nothing for this long counts as gone.
const SILENCE: Duration = Duration::from_secs(30);
/// Above all that a harness asks for.
const BODY_LIMIT: usize = 64 * 1024 * 1024;

/// A connection, opened at the first request and again after one that broke it.
pub(crate) struct Client {
    address: String,
    stream: Option<BufReader<TcpStream>>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.text()))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The JSON body of an answer with this status; an error that shows the answer otherwise.
    pub(crate) fn expect(&self, status: u16) -> Result<Value> {
        if self.status != status {
            bail!(
                "status {} where {status} was expected: {}",
                self.status,
                self.text()
            );
        }
        if self.body.is_empty() {
            Ok(Value::Null)
        } else {
            self.json()
        }
    }
}

impl Client {
    /// A client of `http://host:port`.
    pub(crate) fn new(base_url: &str) -> Result<Self> {
        let address = base_url
            .strip_prefix("http://")
            .context("only http:// here")?;
        Ok(Self {
            address: address.trim_end_matches('/').to_string(),
            stream: None,
        })
    }

    /// Sends one request; after an error it is unknown whether the server acted on it.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer> {
        let answer = self.exchange(method, path, headers, body);
        if answer.is_err() {
            self.stream = None;
        }
        answer
    }

    /// Sends JSON with a bearer credential.
    pub(crate) fn call(
        &mut self,
        method: &str,
        path: &str,
        bearer: &str,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let authorization = format!("Bearer {bearer}");
        let mut headers = vec![("authorization", authorization.as_str())];
        let body = match body {
            Some(value) => {
                headers.push(("content-type", "application/json"));
                value.to_string()
            }
            None => String::new(),
        };
        self.send(method, path, &headers, body.as_bytes())
    }

    fn exchange(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut message = head.into_bytes();
        message.extend_from_slice(body);

        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => self.stream.insert(connect(&self.address)?),
        };
        stream.get_mut().write_all(&message)?;
        let (answer, stays) = receive(stream, method)?;
        if !stays {
            self.stream = None;
        }
        Ok(answer)
    }
}

fn connect(address: &str) -> Result<BufReader<TcpStream>> {
    let stream =
        TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    Ok(BufReader::new(stream))
}

/// Reads one answer, and tells whether the connection stays open.
fn receive(stream: &mut BufReader<TcpStream>, method: &str) -> Result<(Answer, bool)> {
    let status_line = line(stream)?;
    let status: u16 = status_line
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .with_context(|| format!("no answer: {status_line:?}"))?;
    let mut headers = Vec::new();
    loop {
        let header = line(stream)?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').context("a header without a colon")?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_string()));
    }
    let header = |wanted: &str| {
        headers
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    };
    let mut body = Vec::new();
    if method == "HEAD" || status == 204 || status == 304 {
    } else if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    {
        loop {
            let size =
                usize::from_str_radix(line(stream)?.split(';').next().unwrap_or_default(), 16)?;
            let begin = grow(&mut body, size)?;
            stream.read_exact(&mut body[begin..])?;
            line(stream)?;
            if size == 0 {
                break;
            }
        }
    } else {
        let size = header("content-length")
            .context("an answer without a length")?
            .parse()?;
        grow(&mut body, size)?;
        stream.read_exact(&mut body)?;
    }
    let stays = !header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok((
        Answer {
            status,
            headers,
            body,
        },
        stays,
    ))
}

fn grow(body: &mut Vec<u8>, size: usize) -> Result<usize> {
    let begin = body.len();
    if begin.saturating_add(size) > BODY_LIMIT {
        bail!("an answer above {BODY_LIMIT} bytes");
    }
    body.resize(begin + size, 0);
    Ok(begin)
}

fn line(stream: &mut BufReader<TcpStream>) -> Result<String> {
    let mut text = String::new();
    if stream.read_line(&mut text)? == 0 {
        bail!("the server closed the connection");
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_string())
}
