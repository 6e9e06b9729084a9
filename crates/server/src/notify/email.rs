//! Notices as e-mail: one message to all people of a channel, given to the mail server of the settings.
//!
//! The mail server is named by whoever runs this server, and so may lie in its network; who receives was named by others,
//! and is an address that holds nothing but an address.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use authority::notices::courier::{Outcome, Parcel};
use credential::organization::Email;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::{named, words};
use crate::config::{Smtp, SmtpSecurity};

/// How long giving one message away may take. Mail servers look senders up and wait on purpose; a minute is polite, and
/// leaves the claim of the delivery room.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one answer of the mail server may take.
const ANSWER: Duration = Duration::from_secs(20);

/// Gives messages to a mail server.
pub(super) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// What stands behind the @ of a message's id.
    domain: String,
}

impl Mailer {
    /// The mail server of the settings; nothing when none is named.
    pub(super) fn new(
        smtp: &Smtp,
        read_file: impl Fn(&PathBuf) -> io::Result<Vec<u8>>,
    ) -> io::Result<Option<Self>> {
        let Some(host) = &smtp.host else {
            return Ok(None);
        };
        let from = smtp.from.as_deref().unwrap_or_default();
        let from: Mailbox = from.parse().map_err(|error| named("smtp.from", &error))?;
        let tls = match smtp.security {
            SmtpSecurity::None => Tls::None,
            SmtpSecurity::Starttls => Tls::Required(trust(host, smtp, read_file)?),
            SmtpSecurity::Tls => Tls::Wrapper(trust(host, smtp, read_file)?),
        };
        let domain = from.email.domain().to_owned();
        // Names of machines tell strangers about a network; that of the sender is known to them anyway.
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host.as_str())
            .port(smtp.port)
            .tls(tls)
            .hello_name(ClientId::Domain(domain.clone()))
            .timeout(Some(ANSWER));
        if let Some(user) = &smtp.user {
            let password = smtp.password.as_ref().map(|password| password.expose());
            let password = password.unwrap_or_default().to_owned();
            transport = transport.credentials(Credentials::new(user.clone(), password));
        }
        Ok(Some(Self {
            transport: transport.build(),
            from,
            domain,
        }))
    }

    pub(super) async fn send(&self, parcel: &Parcel, to: &[Email]) -> Outcome {
        let message = match self.message(parcel, to) {
            Ok(message) => message,
            Err(words) => {
                return Outcome::Refused {
                    words,
                    permanent: true,
                    retry_after: None,
                };
            }
        };
        match tokio::time::timeout(PATIENCE, self.transport.send(message)).await {
            Ok(Ok(_)) => Outcome::Delivered {
                words: "the mail server took it".to_owned(),
            },
            Ok(Err(error)) if error.is_permanent() => Outcome::Refused {
                words: "the mail server refused it for good (5xx)".to_owned(),
                permanent: true,
                retry_after: None,
            },
            Ok(Err(error)) if error.is_transient() => Outcome::Refused {
                words: "the mail server refused it for now (4xx)".to_owned(),
                permanent: false,
                retry_after: None,
            },
            Ok(Err(error)) => {
                // What is wrong with the mail server is for whoever runs this one.
                tracing::warn!(%error, "the mail server could not be used");
                Outcome::Unreachable {
                    words: "the mail server could not be used".to_owned(),
                }
            }
            Err(_) => Outcome::Unreachable {
                words: "no answer from the mail server in time".to_owned(),
            },
        }
    }

    fn message(&self, parcel: &Parcel, to: &[Email]) -> Result<Message, String> {
        let words::Message { subject, text } = words::message(parcel);
        let mut builder: MessageBuilder = Message::builder()
            .from(self.from.clone())
            .subject(subject)
            // The same at every try, so that a mailbox which got it twice shows it once.
            .message_id(Some(format!(
                "<{}.{}@{}>",
                parcel.id, parcel.channel, self.domain
            )))
            .header(ContentType::TEXT_PLAIN);
        for person in to {
            let address: Address = person
                .as_str()
                .parse()
                .map_err(|_| "an address of the channel is none to a mail server".to_owned())?;
            builder = builder.to(Mailbox::new(None, address));
        }
        builder
            .body(text)
            .map_err(|_| "the message cannot be written".to_owned())
    }
}

fn trust(
    host: &str,
    smtp: &Smtp,
    read_file: impl Fn(&PathBuf) -> io::Result<Vec<u8>>,
) -> io::Result<TlsParameters> {
    let mut parameters = TlsParameters::builder(host.to_owned());
    if let Some(path) = &smtp.ca {
        let authority =
            Certificate::from_pem(&read_file(path)?).map_err(|error| named("smtp.ca", &error))?;
        parameters = parameters.add_root_certificate(authority);
    }
    parameters
        .build()
        .map_err(|error| named("smtp.host", &error))
}
