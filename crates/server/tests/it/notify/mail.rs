//! A mail server that keeps what it is given.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::receiver::acceptor;

/// A message and its envelope.
#[derive(Debug, Default, Clone)]
pub(super) struct Letter {
    pub(super) login: Option<String>,
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) secure: bool,
    /// Lines of the message, without the dots that were added on the way.
    lines: Vec<String>,
}

impl Letter {
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let head = self.lines.iter().take_while(|line| !line.is_empty());
        let mut values = head.filter_map(|line| line.strip_prefix(&format!("{name}: ")));
        let value = values.next().map(str::to_owned);
        assert!(values.next().is_none(), "{name} stands twice");
        value
    }

    /// The text, as a reader of mail shows it.
    pub(super) fn text(&self) -> String {
        let start = self.lines.iter().position(String::is_empty).unwrap() + 1;
        let body = &self.lines[start..];
        match self.header("Content-Transfer-Encoding").as_deref() {
            Some("base64") => {
                let bytes = BASE64.decode(body.concat()).unwrap();
                String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
            }
            Some("quoted-printable") => {
                let joined = body.join("\n").replace("=\n", "");
                let mut bytes = Vec::new();
                let mut rest = joined.as_bytes();
                while let Some((first, after)) = rest.split_first() {
                    if *first == b'=' {
                        let hex = std::str::from_utf8(&after[..2]).unwrap();
                        bytes.push(u8::from_str_radix(hex, 16).unwrap());
                        rest = &after[2..];
                    } else {
                        bytes.push(*first);
                        rest = after;
                    }
                }
                String::from_utf8(bytes).unwrap()
            }
            _ => body.join("\n"),
        }
    }
}

#[derive(Default)]
struct Desk {
    taken: Mutex<Vec<Letter>>,
    refusal: Mutex<Option<&'static str>>,
}

/// See the module's text.
pub(super) struct MailServer {
    address: SocketAddr,
    desk: Arc<Desk>,
}

impl MailServer {
    pub(super) async fn plain() -> Self {
        Self::serve(None).await
    }

    pub(super) async fn with_starttls(chain: &str, key: &str) -> Self {
        Self::serve(Some(acceptor(chain, key))).await
    }

    async fn serve(tls: Option<TlsAcceptor>) -> Self {
        let desk = Arc::new(Desk::default());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let at_desk = Arc::clone(&desk);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (desk, tls) = (Arc::clone(&at_desk), tls.clone());
                // A client that hangs up in the middle is what some tests are about.
                tokio::spawn(async move { drop(greet(stream, &desk, tls).await) });
            }
        });
        Self { address, desk }
    }

    /// The settings that name it.
    pub(super) fn settings(&self, security: &str) -> String {
        format!(
            "[smtp]\nhost = \"127.0.0.1\"\nport = {}\nsecurity = \"{security}\"\nfrom = \"Latchkey <latchkey@example.com>\"\n",
            self.address.port()
        )
    }

    pub(super) fn taken(&self) -> Vec<Letter> {
        std::mem::take(&mut *self.desk.taken.lock().unwrap())
    }

    /// What is answered to the receivers of a message instead of taking them.
    pub(super) fn refuse(&self, refusal: Option<&'static str>) {
        *self.desk.refusal.lock().unwrap() = refusal;
    }
}

async fn greet(stream: TcpStream, desk: &Desk, tls: Option<TlsAcceptor>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 mail.example\r\n").await?;
    let offers = tls.is_some();
    if !talk(&mut stream, desk, offers, false).await? {
        return Ok(());
    }
    let Some(tls) = tls else { return Ok(()) };
    let secure = tls.accept(stream.into_inner()).await?;
    talk(&mut BufReader::new(secure), desk, false, true).await?;
    Ok(())
}

/// Speaks SMTP to its end; true when TLS is wanted from here on.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    desk: &Desk,
    offers_tls: bool,
    secure: bool,
) -> std::io::Result<bool> {
    let mut letter = Letter {
        secure,
        ..Letter::default()
    };
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(false);
        }
        let line = line.trim_end_matches(['\r', '\n']);
        let address = || {
            let begin = line.find('<').unwrap() + 1;
            line[begin..line.find('>').unwrap()].to_owned()
        };
        let word = line
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        let answer = match word.as_str() {
            "EHLO" if offers_tls => "250-mail.example\r\n250 STARTTLS",
            "EHLO" => "250-mail.example\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN LOGIN",
            "STARTTLS" if offers_tls => {
                stream.write_all(b"220 go on\r\n").await?;
                return Ok(true);
            }
            "AUTH" => {
                let login = BASE64.decode(line.rsplit(' ').next().unwrap()).unwrap();
                letter.login = Some(String::from_utf8(login).unwrap());
                "235 you are known"
            }
            "MAIL" => {
                letter.from = address();
                "250 from whom"
            }
            "RCPT" => {
                letter.to.push(address());
                desk.refusal.lock().unwrap().unwrap_or("250 to whom")
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                loop {
                    let mut line = String::new();
                    stream.read_line(&mut line).await?;
                    let line = line.strip_suffix("\r\n").unwrap();
                    if line == "." {
                        break;
                    }
                    letter
                        .lines
                        .push(line.strip_prefix('.').unwrap_or(line).to_owned());
                }
                desk.taken.lock().unwrap().push(letter.clone());
                "250 taken"
            }
            "RSET" | "NOOP" => "250 well",
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(false);
            }
            _ => "502 what",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}
