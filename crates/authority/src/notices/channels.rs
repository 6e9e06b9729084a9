//! The channels of an organization: where its notices go besides the list of notices.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use credential::event::{Action, Subject, SubjectKind};
use credential::id::{ChannelId, NoticeId, OrganizationId};
use credential::name::Name;
use credential::notice::channel::{Channel, SigningSecret, Wanted, Way, Webhook, is_failing};
use credential::notice::url::HookUrl;
use credential::organization::Email;
use credential::secret::Secret;
use credential::time::Instant;
use store::deliveries::{Delivery, MAX_CHANNELS};
use store::{Change, Found};

use super::courier::{Outcome, Receiver};
use super::deliver::future_receiver;
use crate::Authority;
use crate::act::{Done, MAX_PAGE, gives_nothing, hidden, refuse_stale};
use crate::caller::{Caller, Need};
use crate::failure::{Failure, Refusal};
use crate::idempotency::Idempotency;
use crate::organizations::settings::{READ, WRITE};

/// How a signing secret begins where it is shown; Standard Webhooks has it so.
const SHOWN_AS: &str = "whsec_";

/// A channel, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelState {
    /// The channel.
    pub channel: Channel,
    /// Since when nothing gets through over it.
    pub failing_since: Option<Instant>,
    /// Whether that is so for long.
    pub failing: bool,
}

/// What a new channel shall be.
#[derive(Debug, Clone)]
pub struct CreateChannel {
    /// Whose; `None` is the caller's own organization.
    pub organization: Option<OrganizationId>,
    /// What people call it.
    pub name: Name,
    /// Where it goes.
    pub target: Target,
    /// Which notices; `None` is every one.
    pub kinds: Option<Vec<String>>,
}

/// Where a channel goes.
#[derive(Debug, Clone)]
pub enum Target {
    /// To these people.
    Email(Vec<Email>),
    /// To this address.
    Webhook(HookUrl),
}

/// Changes to a channel; what is `None` stays. A channel keeps its way for good.
#[derive(Debug, Clone, Default)]
pub struct EditChannel {
    /// A new name.
    pub name: Option<Name>,
    /// Other receivers, in the channel's own way.
    pub target: Option<Target>,
    /// Other notices; `Some(None)` is every one.
    pub kinds: Option<Option<Vec<String>>>,
    /// On or off.
    pub active: Option<bool>,
}

/// A channel with the secret that is shown once.
pub struct IssuedChannel {
    /// The channel.
    pub channel: Channel,
    /// What verifies its signatures, for a webhook.
    pub secret: Option<Secret>,
}

/// What came of a command that shows a secret and can be repeated.
pub enum Opened {
    /// It happened now; the answer as it was rendered, and the channel.
    New(Vec<u8>, Box<Channel>),
    /// It happened before; this is the very answer that was given then.
    Repeat(Vec<u8>),
}

impl Authority {
    /// A page of the channels of an organization, the oldest first. One that was edited outside the server is left out.
    pub async fn channels(
        &self,
        caller: &Caller,
        organization: Option<OrganizationId>,
        after: Option<ChannelId>,
        limit: usize,
    ) -> Result<Vec<ChannelState>, Failure> {
        let organization = organization.unwrap_or(caller.organization);
        self.permit(caller, &need(READ, organization)).await?;
        let (limit, now) = (limit.clamp(1, MAX_PAGE), self.now());
        self.store()
            .view(move |view| {
                let page = view.channels_page(organization, after, limit)?;
                let state = |channel: Channel| {
                    let failing_since = view.failing_since(channel.id)?;
                    Ok(state_of(channel, failing_since, now))
                };
                page.into_iter()
                    .filter_map(Found::good)
                    .map(state)
                    .collect()
            })
            .await
    }

    /// One channel, if the caller may see it.
    pub async fn channel(&self, caller: &Caller, id: ChannelId) -> Result<ChannelState, Failure> {
        let channel = self.seen_channel(caller, READ, id).await?;
        let failing_since = self
            .store()
            .view(move |view| view.failing_since(id))
            .await?;
        Ok(state_of(channel, failing_since, self.now()))
    }

    /// Opens a channel. The secret of a webhook is in this answer and nowhere else.
    pub async fn create_channel(
        &self,
        caller: &Caller,
        command: CreateChannel,
        idempotency: Option<Idempotency>,
        render: impl Fn(&IssuedChannel) -> Vec<u8> + Send + Sync + 'static,
    ) -> Result<Opened, Failure> {
        let organization = command.organization.unwrap_or(caller.organization);
        let need = need(WRITE, organization);
        self.permit(caller, &need).await?;
        if let Some(answer) = self.answered(caller, idempotency.as_ref()).await? {
            return Ok(Opened::Repeat(answer));
        }
        let wanted = wanted(command.kinds)?;
        let now = self.now();
        let (way, secret) = match command.target {
            Target::Email(to) => (email(to)?, None),
            Target::Webhook(url) => {
                let secret = SigningSecret::from_bytes(self.entropy().draw()?);
                let shown = secret.clone();
                let previous = None;
                (
                    Way::Webhook(Webhook {
                        url,
                        secret,
                        previous,
                    }),
                    Some(shown),
                )
            }
        };
        self.admitted(&way).await?;
        let channel = Channel {
            id: ChannelId::mint(now, self.entropy().draw()?),
            organization,
            name: command.name,
            way,
            wanted,
            active: true,
            created_at: now,
            created_by: caller.maker,
            version: 1,
        };
        let make = move |change: &mut Change<'_>| {
            let others = change.channels_page(organization, None, MAX_CHANNELS)?;
            if others.len() >= MAX_CHANNELS {
                let why = format!("an organization has at most {MAX_CHANNELS} channels");
                return Err(Refusal::Conflict(why).into());
            }
            change.insert_channel(&channel, &detail(&channel))?;
            Ok(channel.clone())
        };
        self.show_once(caller, need, idempotency, secret, make, render)
            .await
    }

    /// Changes a channel.
    pub async fn edit_channel(
        &self,
        caller: &Caller,
        id: ChannelId,
        edit: EditChannel,
        version: Option<i64>,
    ) -> Result<Done<ChannelState>, Failure> {
        let seen = self.seen_channel(caller, WRITE, id).await?;
        let wanted = edit.kinds.map(wanted).transpose()?;
        let way = match (&seen.way, edit.target) {
            (_, None) => None,
            (Way::Email(_), Some(Target::Email(to))) => Some(email(to)?),
            (Way::Webhook(hook), Some(Target::Webhook(url))) => Some(Way::Webhook(Webhook {
                url,
                ..hook.clone()
            })),
            (Way::Email(_), Some(Target::Webhook(_))) => {
                return Err(Refusal::invalid("url", "this channel goes by e-mail").into());
            }
            (Way::Webhook(_), Some(Target::Email(_))) => {
                return Err(Refusal::invalid("recipients", "this channel is a webhook").into());
            }
        };
        if let Some(way) = &way {
            self.admitted(way).await?;
        }
        let needs = vec![need(WRITE, seen.organization)];
        let now = self.now();
        let (name, active) = (edit.name, edit.active);
        self.act(caller, needs, gives_nothing, move |change| {
            let channel = stored(change, id)?;
            refuse_stale(channel.version, version)?;
            // The edit was made from the channel as it was read: its secrets too.
            refuse_stale(channel.version, Some(seen.version))?;
            let next = Channel {
                name: name.clone().unwrap_or_else(|| channel.name.clone()),
                way: way.clone().unwrap_or_else(|| channel.way.clone()),
                wanted: wanted.clone().unwrap_or_else(|| channel.wanted.clone()),
                active: active.unwrap_or(channel.active),
                ..channel
            };
            let told = detail(&next);
            let next = change.update_channel(next, Action::ChannelEdited, &told)?;
            Ok(state_of(next, None, now))
        })
        .await
    }

    /// Closes a channel; what was on its way over it is dropped.
    pub async fn delete_channel(
        &self,
        caller: &Caller,
        id: ChannelId,
        version: Option<i64>,
    ) -> Result<Done<Channel>, Failure> {
        let seen = self.seen_channel(caller, WRITE, id).await?;
        let needs = vec![need(WRITE, seen.organization)];
        self.act(caller, needs, gives_nothing, move |change| {
            let channel = stored(change, id)?;
            refuse_stale(channel.version, version)?;
            change.delete_channel(&channel, "{}")?;
            Ok(channel)
        })
        .await
    }

    /// Gives a webhook a new secret, shown in this answer and nowhere else. The one before signs besides for a day.
    pub async fn rotate_channel_secret(
        &self,
        caller: &Caller,
        id: ChannelId,
        version: Option<i64>,
        idempotency: Option<Idempotency>,
        render: impl Fn(&IssuedChannel) -> Vec<u8> + Send + Sync + 'static,
    ) -> Result<Opened, Failure> {
        let seen = self.seen_channel(caller, WRITE, id).await?;
        if let Some(answer) = self.answered(caller, idempotency.as_ref()).await? {
            return Ok(Opened::Repeat(answer));
        }
        if matches!(seen.way, Way::Email(_)) {
            let why = "a channel by e-mail has no secret".to_owned();
            return Err(Refusal::Conflict(why).into());
        }
        let now = self.now();
        let secret = SigningSecret::from_bytes(self.entropy().draw()?);
        let fresh = secret.clone();
        let make = move |change: &mut Change<'_>| {
            let channel = stored(change, id)?;
            refuse_stale(channel.version, version)?;
            let way = match channel.way.clone() {
                Way::Webhook(hook) => Way::Webhook(hook.rotate(fresh.clone(), now)),
                way @ Way::Email(_) => way,
            };
            Ok(change.update_channel(Channel { way, ..channel }, Action::ChannelRotated, "{}")?)
        };
        let need = need(WRITE, seen.organization);
        self.show_once(caller, need, idempotency, Some(secret), make, render)
            .await
    }

    /// Sends a message over a channel now, whether it is on or not, and says what came of it.
    pub async fn test_channel(&self, caller: &Caller, id: ChannelId) -> Result<Outcome, Failure> {
        let channel = self.seen_channel(caller, WRITE, id).await?;
        let courier = self.courier().ok_or_else(|| {
            Refusal::Conflict("this process sends nothing; ask the server".to_owned())
        })?;
        let subject = Subject {
            kind: SubjectKind::NoticeChannel,
            id: id.to_string(),
        };
        let body = serde_json::json!({ "channel_name": channel.name.as_str() });
        let own = Some(channel.organization);
        let notice = self.notice(own, "test", subject, String::new(), &body, self.now())?;
        Ok(courier.send(&self.parcel(&channel, notice, true)).await)
    }

    /// A page of what went and goes out over a channel, the newest notice first.
    pub async fn deliveries(
        &self,
        caller: &Caller,
        id: ChannelId,
        before: Option<NoticeId>,
        limit: usize,
    ) -> Result<Vec<Delivery>, Failure> {
        self.seen_channel(caller, READ, id).await?;
        let limit = limit.clamp(1, MAX_PAGE);
        Ok(self
            .store()
            .view(move |view| view.deliveries_page(id, before, limit))
            .await?)
    }

    async fn seen_channel(
        &self,
        caller: &Caller,
        scope: &'static str,
        id: ChannelId,
    ) -> Result<Channel, Failure> {
        let found = self.store().view(move |view| view.channel(id)).await?;
        let channel = found.ok_or(Refusal::NotFound("channel"))?.trusted()?;
        self.permit(caller, &need(READ, channel.organization))
            .await
            .map_err(|refusal| hidden(refusal, "channel"))?;
        if scope != READ {
            self.permit(caller, &need(scope, channel.organization))
                .await?;
        }
        Ok(channel)
    }

    /// Refuses what whoever sends could never reach.
    async fn admitted(&self, way: &Way) -> Result<(), Failure> {
        let Some(courier) = self.courier() else {
            return Ok(());
        };
        let (member, receiver) = match way {
            Way::Email(to) => ("recipients", Receiver::Email(to.clone())),
            Way::Webhook(hook) => ("url", future_receiver(&hook.url)),
        };
        let admitted = courier.admits(&receiver).await;
        Ok(admitted.map_err(|why| Refusal::invalid(member, why))?)
    }

    async fn answered(
        &self,
        caller: &Caller,
        idempotency: Option<&Idempotency>,
    ) -> Result<Option<Vec<u8>>, Failure> {
        match idempotency {
            Some(idempotency) => self.repeated(caller, idempotency).await,
            None => Ok(None),
        }
    }

    /// Makes a change whose answer shows a secret, and keeps that answer for a repeat.
    async fn show_once(
        &self,
        caller: &Caller,
        need: Need,
        idempotency: Option<Idempotency>,
        secret: Option<SigningSecret>,
        make: impl Fn(&mut Change<'_>) -> Result<Channel, Failure> + Send + 'static,
        render: impl Fn(&IssuedChannel) -> Vec<u8> + Send + Sync + 'static,
    ) -> Result<Opened, Failure> {
        let (authority, who) = (self.clone(), caller.clone());
        let again = idempotency.clone();
        let done = self
            .act(caller, vec![need], gives_nothing, move |change| {
                let channel = make(change)?;
                let issued = IssuedChannel {
                    channel: channel.clone(),
                    secret: secret.as_ref().map(shown),
                };
                let answer = render(&issued);
                if let Some(idempotency) = &idempotency {
                    authority.remember(change, &who, idempotency, channel.id, &answer)?;
                }
                Ok((channel, answer))
            })
            .await;
        let (channel, answer) = match (done, again) {
            // The same request was under way twice and the other one was faster: its answer is this one's too.
            (
                Err(Failure::Refused(Refusal::IdempotencyKeyUsed | Refusal::Stale { .. })),
                Some(idempotency),
            ) => {
                let answer = self.repeated(caller, &idempotency).await?;
                return answer
                    .map(Opened::Repeat)
                    .ok_or_else(|| Refusal::IdempotencyKeyUsed.into());
            }
            (done, _) => done?.value,
        };
        Ok(Opened::New(answer, Box::new(channel)))
    }
}

fn need(scope: &'static str, organization: OrganizationId) -> Need {
    Need {
        scope,
        organization,
        product: None,
    }
}

fn stored(change: &Change<'_>, id: ChannelId) -> Result<Channel, Failure> {
    let found = change.channel(id)?.ok_or(Refusal::NotFound("channel"))?;
    Ok(found.trusted()?)
}

fn state_of(channel: Channel, failing_since: Option<Instant>, now: Instant) -> ChannelState {
    ChannelState {
        channel,
        failing_since,
        failing: is_failing(failing_since, now),
    }
}

fn email(to: Vec<Email>) -> Result<Way, Refusal> {
    Way::email(to).map_err(|bad| Refusal::invalid("recipients", bad))
}

fn wanted(kinds: Option<Vec<String>>) -> Result<Wanted, Refusal> {
    match kinds {
        None => Ok(Wanted::All),
        Some(kinds) => Wanted::kinds(kinds).map_err(|bad| Refusal::invalid("notice_kinds", bad)),
    }
}

/// What the trail is told of a channel: its way and whether it is on. Who receives stands in the row.
fn detail(channel: &Channel) -> String {
    serde_json::json!({ "way": channel.way.word(), "active": channel.active }).to_string()
}

fn shown(secret: &SigningSecret) -> Secret {
    Secret::from(format!("{SHOWN_AS}{}", STANDARD.encode(secret.expose())))
}
