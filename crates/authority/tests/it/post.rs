//! A courier that keeps what it is given, and answers what it was told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use authority::Caller;
use authority::notices::channels::{CreateChannel, Opened, Target};
use authority::notices::courier::{Courier, Errand, Outcome, Parcel, Receiver};
use credential::name::Name;
use credential::notice::channel::Channel;
use credential::notice::url::HookUrl;
use credential::organization::Email;
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct Post {
    sent: Mutex<Vec<Parcel>>,
    answers: Mutex<VecDeque<Outcome>>,
    /// What is answered when nothing else was prepared.
    always: Mutex<Option<Outcome>>,
    hangs: Mutex<bool>,
    pub(crate) got_one: Notify,
}

impl Post {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// What arrived since the last look.
    pub(crate) fn taken(&self) -> Vec<Parcel> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }

    pub(crate) fn answer_next(&self, outcome: Outcome) {
        self.answers.lock().unwrap().push_back(outcome);
    }

    pub(crate) fn answer_always(&self, outcome: Option<Outcome>) {
        *self.always.lock().unwrap() = outcome;
    }

    pub(crate) fn hang(&self, hangs: bool) {
        *self.hangs.lock().unwrap() = hangs;
    }
}

impl Courier for Post {
    fn admits<'a>(&'a self, receiver: &'a Receiver) -> Errand<'a, Result<(), String>> {
        Box::pin(async move {
            match receiver {
                Receiver::Webhook { url, .. } if url.as_str().contains("forbidden") => {
                    Err("this address is forbidden".to_owned())
                }
                _ => Ok(()),
            }
        })
    }

    fn send<'a>(&'a self, parcel: &'a Parcel) -> Errand<'a, Outcome> {
        Box::pin(async move {
            self.sent.lock().unwrap().push(parcel.clone());
            self.got_one.notify_one();
            if *self.hangs.lock().unwrap() {
                std::future::pending::<()>().await;
            }
            let prepared = self.answers.lock().unwrap().pop_front();
            prepared
                .or_else(|| self.always.lock().unwrap().clone())
                .unwrap_or(Outcome::Delivered {
                    words: "taken".to_owned(),
                })
        })
    }
}

pub(crate) fn unreachable() -> Outcome {
    Outcome::Unreachable {
        words: "nobody is there".to_owned(),
    }
}

pub(crate) fn webhook(name: &str, url: &str) -> CreateChannel {
    CreateChannel {
        organization: None,
        name: Name::new(name).unwrap(),
        target: Target::Webhook(HookUrl::new(url).unwrap()),
        kinds: None,
    }
}

pub(crate) fn email(name: &str, to: &[&str]) -> CreateChannel {
    let to = to.iter().map(|to| Email::new(to).unwrap()).collect();
    CreateChannel {
        target: Target::Email(to),
        ..webhook(name, "https://example.com/")
    }
}

/// Opens a channel, and gives the secret that was shown, if one was.
pub(crate) async fn opened(
    authority: &authority::Authority,
    caller: &Caller,
    command: CreateChannel,
) -> (Channel, String) {
    let shown = |issued: &authority::notices::channels::IssuedChannel| {
        let secret = issued
            .secret
            .as_ref()
            .map(|secret| secret.expose().to_owned());
        secret.unwrap_or_default().into_bytes()
    };
    match authority
        .create_channel(caller, command, None, shown)
        .await
        .unwrap()
    {
        Opened::New(secret, channel) => (*channel, String::from_utf8(secret).unwrap()),
        Opened::Repeat(_) => panic!("nothing was repeated"),
    }
}
