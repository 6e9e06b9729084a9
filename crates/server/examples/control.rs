//! The control of `cargo xtask bench`: a bare hyper server on the runtime that Latchkey uses. It reads the body of each
//! request and answers every one with the same bytes, recorded from Latchkey: what is left between the two is our work.
//!
//! `control FILE` reads the answer (header lines, an empty line, the body) and prints its address once it listens.
#![expect(clippy::print_stdout, reason = "tells its address to the benchmark")]

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

type Fault = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let file = std::env::args().nth(1).ok_or("usage: control FILE")?;
    let (headers, body) = answer(&std::fs::read_to_string(file)?)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (headers, body) = (headers.clone(), body.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let mut response = Response::new(Full::new(body.clone()));
            *response.headers_mut() = headers.clone();
            async move {
                drop(request.into_body().collect().await);
                Ok::<_, Infallible>(response)
            }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

/// The recorded headers, less those that hyper writes itself, and the body.
fn answer(recorded: &str) -> Result<(HeaderMap, Bytes), Fault> {
    let (head, body) = recorded
        .split_once("\n\n")
        .ok_or("no empty line after the headers")?;
    let mut headers = HeaderMap::new();
    for line in head.lines() {
        let (name, value) = line.split_once(": ").ok_or("a header without a colon")?;
        if !["content-length", "date", "connection", "transfer-encoding"].contains(&name) {
            headers.append(
                HeaderName::from_bytes(name.as_bytes())?,
                HeaderValue::from_str(value)?,
            );
        }
    }
    Ok((headers, Bytes::from(body.to_string())))
}
