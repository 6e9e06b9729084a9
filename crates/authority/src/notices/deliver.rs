//! The job that sends what is in the queue.
//!
//! Each replica runs it. A delivery is claimed by a compare and swap, with a lease, so that one replica tries it at a time
//! and one that died is followed by another. So a receiver gets each notice at least once, always under the same id.

use std::sync::Arc;

use credential::event::{Action, Actor, Subject, SubjectKind};
use credential::notice::channel::{Channel, FAILING_AFTER, Way};
use credential::notice::delivery::{State, next_try};
use credential::notice::{CHANNEL_FAILING, url::HookUrl};
use credential::time::{Instant, Span};
use store::deliveries::{Claim, Tried};
use store::notices::Notice;
use store::{Fault, Found, View};
use tokio::task::JoinSet;

use super::courier::{Appointed, Courier, Outcome, Parcel, Receiver};
use crate::Authority;
use crate::failure::Failure;

/// How long a claim holds: several times what the slowest courier takes.
pub const LEASE: Span = Span::from_minutes(2);
/// Deliveries that one run of the job tries side by side.
const BATCH: usize = 64;
/// Deliveries of one channel in a run: a receiver that hangs holds up few of the places.
const EACH: usize = 4;
/// Channels that fail and are told of in one run.
const FAILING: usize = 20;

impl Authority {
    /// Appoints who carries notices out of the house. Without anybody nothing is sent, and the queue waits for a process
    /// that can. The first who is appointed stays.
    pub fn appoint(&self, courier: Arc<dyn Courier>) {
        // Whoever appoints a second one started a second server in this process; the first serves both.
        let _ = self.0.courier.set(courier);
    }

    pub(crate) fn courier(&self) -> Option<&Appointed> {
        self.0.courier.get()
    }

    /// Sends what is due, one batch.
    pub async fn deliver(&self) -> Result<(), Failure> {
        let Some(courier) = self.courier() else {
            return Ok(());
        };
        self.tell_of_failing_channels().await?;
        let claimed = self
            .store()
            .claim_deliveries(self.now(), LEASE, BATCH, EACH)
            .await?;
        let mut under_way = JoinSet::new();
        for claim in claimed {
            let (authority, courier) = (self.clone(), Arc::clone(courier));
            under_way.spawn(async move {
                if let Err(error) = authority.deliver_one(&*courier, &claim).await {
                    // Its claim ends by itself, and it is tried again.
                    tracing::warn!(channel.id = %claim.channel_id, notice.id = %claim.notice_id, %error, "a try could not be written down");
                }
            });
        }
        while let Some(ended) = under_way.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a courier panicked");
            }
        }
        Ok(())
    }

    async fn deliver_one(&self, courier: &dyn Courier, claim: &Claim) -> Result<(), Failure> {
        let (Some(Found::Good(channel)), Some(notice)) = (&claim.channel, &claim.notice) else {
            // The channel or the notice was removed meanwhile; or somebody edited the channel, who shall get nothing.
            return self
                .end(
                    claim,
                    State::Dropped,
                    "what was to be sent is not there",
                    None,
                )
                .await;
        };
        if !channel.active {
            return self
                .end(claim, State::Dropped, "the channel was turned off", None)
                .await;
        }
        let parcel = self.parcel(channel, notice.clone(), false);
        let outcome = courier.send(&parcel).await;
        let words = outcome.words();
        tracing::debug!(channel.id = %channel.id, notice.id = %notice.id, tries = claim.tries, outcome = words, "a notice was sent");
        match &outcome {
            Outcome::Delivered { .. } => self.end(claim, State::Delivered, words, Some(true)).await,
            Outcome::Gone { .. } => {
                self.turn_off(channel, words).await?;
                self.end(claim, State::Failed, words, Some(false)).await
            }
            Outcome::Refused {
                permanent: true, ..
            } => self.end(claim, State::Failed, words, Some(false)).await,
            Outcome::Refused { retry_after, .. } => self.put_off(claim, words, *retry_after).await,
            Outcome::Unreachable { .. } => self.put_off(claim, words, None).await,
        }
    }

    /// Tries again later, or never.
    async fn put_off(
        &self,
        claim: &Claim,
        words: &str,
        asked: Option<Span>,
    ) -> Result<(), Failure> {
        let luck = u32::from_be_bytes(self.entropy().draw()?);
        let now = self.now();
        let (state, due_at) = match next_try(claim.tries, now, asked, luck) {
            Some(due_at) => (State::Pending, due_at),
            None => (State::Failed, now),
        };
        if state == State::Failed {
            tracing::warn!(channel.id = %claim.channel_id, notice.id = %claim.notice_id, outcome = words, "a notice could not be delivered and is not tried again");
        }
        let tried = Tried {
            state,
            due_at,
            outcome: words.to_owned(),
            at: now,
            works: Some(false),
        };
        self.store().end_try(claim, tried).await?;
        Ok(())
    }

    async fn end(
        &self,
        claim: &Claim,
        state: State,
        words: &str,
        works: Option<bool>,
    ) -> Result<(), Failure> {
        let now = self.now();
        let tried = Tried {
            state,
            due_at: now,
            outcome: words.to_owned(),
            at: now,
            works,
        };
        self.store().end_try(claim, tried).await?;
        Ok(())
    }

    /// What is sent over a channel now.
    pub(super) fn parcel(&self, channel: &Channel, notice: Notice, is_test: bool) -> Parcel {
        let at = self.now();
        let named = notice.organization.and_then(|id| {
            self.world()
                .organization(id)
                .map(|known| known.name.clone())
        });
        Parcel {
            id: notice.id,
            channel: channel.id,
            receiver: receiver(&channel.way, at),
            organization: named.map(|name| name.as_str().to_owned()),
            server: self.settings().issuer.clone(),
            notice,
            is_test,
            at,
        }
    }

    /// The receiver wants nothing more: the channel is turned off, as somebody could have done.
    async fn turn_off(&self, channel: &Channel, words: &str) -> Result<(), Failure> {
        let id = channel.id;
        let detail = serde_json::json!({ "because": words }).to_string();
        tracing::warn!(channel.id = %id, outcome = words, "a receiver wants no more notices; its channel is turned off");
        let changed = self
            .store()
            .change(
                Actor::SYSTEM,
                self.now(),
                |_: &View<'_>| Ok::<(), Failure>(()),
                move |change| {
                    if let Some(Found::Good(channel)) = change.channel(id)?
                        && channel.active
                    {
                        let off = Channel {
                            active: false,
                            ..channel
                        };
                        change.update_channel(off, Action::ChannelDisabled, &detail)?;
                    }
                    Ok(())
                },
            )
            .await?;
        self.settle(&changed).await?;
        Ok(())
    }

    /// Tells whoever runs the server, once, of each channel over which nothing gets through for long.
    async fn tell_of_failing_channels(&self) -> Result<(), Failure> {
        let now = self.now();
        let failing = self
            .store()
            .view::<_, Fault>(move |view| view.failing_channels(now - FAILING_AFTER, FAILING))
            .await?;
        for (channel, since) in failing {
            let body = serde_json::json!({ "failing_since_ms": since.millis() });
            let subject = Subject {
                kind: SubjectKind::NoticeChannel,
                id: channel.to_string(),
            };
            let once = format!("{CHANNEL_FAILING}:{channel}:{}", since.millis());
            let notice = self.notice(None, CHANNEL_FAILING, subject, once, &body, now)?;
            self.store().tell_of_failing(channel, since, notice).await?;
        }
        Ok(())
    }
}

/// Who receives over a channel at a moment.
pub(super) fn receiver(way: &Way, now: Instant) -> Receiver {
    match way {
        Way::Email(to) => Receiver::Email(to.clone()),
        Way::Webhook(hook) => Receiver::Webhook {
            url: hook.url.clone(),
            secrets: hook.signing(now),
        },
    }
}

/// A receiver that was not made yet: nothing signs for it.
pub(super) fn future_receiver(url: &HookUrl) -> Receiver {
    Receiver::Webhook {
        url: url.clone(),
        secrets: Vec::new(),
    }
}
