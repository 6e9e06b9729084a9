//! The port through which notices leave the house. The authority knows what is sent, to whom, and what an answer means for
//! the next try; how a message travels is the business of whoever is appointed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use credential::id::{ChannelId, NoticeId};
use credential::notice::channel::SigningSecret;
use credential::notice::url::HookUrl;
use credential::organization::Email;
use credential::time::{Instant, Span};
use store::notices::Notice;

/// What a courier's work is, until it is done.
pub type Errand<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Carries notices to people. Every errand ends by itself within [`crate::notices::LEASE`].
pub trait Courier: Send + Sync {
    /// Whether this could be reached at all: what never can is refused before it is kept. The text says why not.
    fn admits<'a>(&'a self, receiver: &'a Receiver) -> Errand<'a, Result<(), String>>;

    /// Sends one parcel, and says what came of it.
    fn send<'a>(&'a self, parcel: &'a Parcel) -> Errand<'a, Outcome>;
}

/// Whoever was appointed.
pub(crate) type Appointed = Arc<dyn Courier>;

/// A notice on its way to one receiver.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// Names the parcel, at every try the same: a receiver that got it twice keeps one.
    pub id: NoticeId,
    /// The channel it goes over.
    pub channel: ChannelId,
    /// To whom.
    pub receiver: Receiver,
    /// What is told. No secret is in it.
    pub notice: Notice,
    /// What people call the organization that it is told of; `None` is the server.
    pub organization: Option<String>,
    /// The server's public address, without a slash at its end.
    pub server: String,
    /// Whether somebody only tries the channel.
    pub is_test: bool,
    /// When this try is made.
    pub at: Instant,
}

/// Who receives, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receiver {
    /// People, by e-mail.
    Email(Vec<Email>),
    /// A program, by a request that each of these secrets signs.
    Webhook {
        /// Where it listens.
        url: HookUrl,
        /// What signs, the newest first.
        secrets: Vec<SigningSecret>,
    },
}

/// What came of sending a parcel. The words are for people who look after the channel: they name classes of answers, never
/// what a receiver said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it.
    Delivered {
        /// What the answer was.
        words: String,
    },
    /// The receiver answered, and did not take it.
    Refused {
        /// What the answer was.
        words: String,
        /// Whether it would answer so for ever.
        permanent: bool,
        /// How long it wants to be left alone.
        retry_after: Option<Span>,
    },
    /// The receiver wants nothing more over this channel, ever.
    Gone {
        /// What the answer was.
        words: String,
    },
    /// No answer came.
    Unreachable {
        /// What stood in the way.
        words: String,
    },
}

impl Outcome {
    /// The words.
    pub fn words(&self) -> &str {
        match self {
            Outcome::Delivered { words }
            | Outcome::Refused { words, .. }
            | Outcome::Gone { words }
            | Outcome::Unreachable { words } => words,
        }
    }
}
