//! The ways out for notices: `/api/v1/notices/channels`.

use authority::notices::Delivery;
use authority::notices::channels::{
    ChannelState, CreateChannel, EditChannel, IssuedChannel, Opened, Target,
};
use authority::notices::courier::Outcome;
use authority::{Failure, Refusal};
use axum::extract::State;
use axum::response::Response;
use credential::id::{ChannelId, NoticeId, OrganizationId};
use credential::name::Name;
use credential::notice::channel::{Channel, Wanted, Way};
use credential::notice::delivery::State as DeliveryState;
use credential::notice::url::{HookUrl, MAX_URL_BYTES};
use credential::organization::Email;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::answer::{Says, json, raw};
use super::super::page::{Page, id};
use super::super::refusal::problem;
use super::super::request::{Brief, By, Command, Id, IfMatch, Nothing, Query};
use super::super::wire::{MakerView, Time, given};
use super::super::{Api, Served};
use crate::problem::{Kind as ProblemKind, Problem};

pub(super) fn serve(served: Served) -> Served {
    served
        .at(__path_list, list)
        .at(__path_create, create)
        .at(__path_read, read)
        .at(__path_edit, edit)
        .at(__path_delete, delete)
        .at(__path_rotate, rotate)
        .at(__path_test, test)
        .at(__path_deliveries, deliveries)
}

/// How a channel reaches people.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[schema(as = ChannelKind)]
#[serde(rename_all = "snake_case")]
enum ChannelKind {
    /// As e-mail.
    Email,
    /// As signed requests.
    Webhook,
}

/// A way out for an organization's notices.
#[derive(Serialize, ToSchema)]
#[schema(as = NoticeChannel)]
struct ChannelView {
    /// Its identifier, for good.
    #[schema(format = "uuid")]
    id: String,
    /// Whose notices go out over it.
    #[schema(format = "uuid")]
    organization_id: String,
    /// What people call it.
    name: String,
    /// How it reaches people, for good.
    #[schema(value_type = ChannelKind)]
    kind: &'static str,
    /// Who receives; `null` for a webhook.
    #[schema(required)]
    recipients: Option<Vec<String>>,
    /// Where requests go; `null` for e-mail.
    #[schema(required)]
    url: Option<String>,
    /// Which notices, by their kinds; `null` is every one.
    #[schema(required)]
    notice_kinds: Option<Vec<String>>,
    /// Whether anything goes out over it.
    active: bool,
    /// Since when nothing gets through over it; `null` while it works.
    #[schema(required)]
    failing_since: Option<Time>,
    /// Whether that is so for five days, and the operator was told.
    failing: bool,
    /// Until when the secret before signs besides the current one; `null` when none does.
    #[schema(required)]
    previous_secret_until: Option<Time>,
    /// When it was made.
    created_at: Time,
    /// Who made it.
    created_by: MakerView,
    /// Counts its changes: the `ETag`.
    version: i64,
}

impl ChannelView {
    fn new(channel: &Channel, failing_since: Option<Time>, failing: bool) -> Self {
        let (recipients, url, previous) = match &channel.way {
            Way::Email(to) => {
                let to = to.iter().map(|to| to.as_str().to_owned()).collect();
                (Some(to), None, None)
            }
            Way::Webhook(hook) => {
                let previous = hook.previous.as_ref().map(|(_, until)| Time(*until));
                (None, Some(hook.url.as_str().to_owned()), previous)
            }
        };
        Self {
            id: channel.id.to_string(),
            organization_id: channel.organization.to_string(),
            name: channel.name.as_str().to_owned(),
            kind: channel.way.word(),
            recipients,
            url,
            notice_kinds: match &channel.wanted {
                Wanted::All => None,
                Wanted::Kinds(kinds) => Some(kinds.iter().cloned().collect()),
            },
            active: channel.active,
            failing_since,
            failing,
            previous_secret_until: previous,
            created_at: Time(channel.created_at),
            created_by: channel.created_by.into(),
            version: channel.version,
        }
    }
}

impl From<&ChannelState> for ChannelView {
    fn from(state: &ChannelState) -> Self {
        Self::new(&state.channel, state.failing_since.map(Time), state.failing)
    }
}

/// A page of channels.
#[derive(Serialize, ToSchema)]
#[schema(as = NoticeChannels)]
struct Channels {
    /// The channels, in the order they were made.
    items: Vec<ChannelView>,
    /// Where the next page begins; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// A channel that was changed.
#[derive(Serialize, ToSchema)]
#[schema(as = ChangedNoticeChannel)]
struct ChangedChannel {
    /// The channel as it is now.
    channel: ChannelView,
    /// The number of the change.
    revision: i64,
}

/// A channel, and the secret that its receiver verifies signatures with.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuedNoticeChannel)]
struct IssuedView {
    /// The channel as it is now.
    channel: ChannelView,
    /// The secret of a webhook: `whsec_` and 32 bytes in base64. It is shown here and nowhere else. `null` for e-mail.
    #[schema(required)]
    secret: Option<String>,
}

/// Lists the channels of an organization.
#[utoipa::path(get, path = "/api/v1/notices/channels", tag = "notices", operation_id = "listNoticeChannels",
    params(
        ("organization_id" = Option<String>, Query, format = "uuid", description = "Whose; absent, those of the caller's organization."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "The most in the page; 100 when absent."),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before, with the same filter."),
    ),
    responses((status = 200, description = "A page of channels.", body = Channels)))]
async fn list(
    State(api): State<Api>,
    By(caller): By,
    mut query: Query,
) -> Result<Response, Problem> {
    let page = Page::take(
        &mut query,
        &format!("notice channels of {}", caller.organization),
    )?;
    let organization = query.take("organization_id", "an id")?;
    query.finish()?;
    let after = page.after(id(ChannelId::from_bytes))?;
    let mut found = api
        .authority
        .channels(&caller, organization, after, page.limit + 1)
        .await
        .map_err(problem)?;
    let next_cursor = page.cut(&mut found, |state| state.channel.id.as_bytes().to_vec());
    json(
        StatusCode::OK,
        &Channels {
            items: found.iter().map(Into::into).collect(),
            next_cursor,
        },
    )
}

/// A channel to be opened.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewNoticeChannel)]
#[serde(deny_unknown_fields)]
struct NewChannel {
    /// What people call it.
    #[schema(value_type = String, min_length = 1, max_length = 256)]
    name: Name,
    /// How it reaches people.
    kind: ChannelKind,
    /// Who receives, for e-mail.
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 20)]
    recipients: Option<Vec<Email>>,
    /// Where requests go, for a webhook: an address of HTTPS with a public host.
    #[schema(max_length = 2048)]
    url: Option<String>,
    /// Which notices, by their kinds; every one when absent or `null`.
    #[schema(min_items = 1)]
    notice_kinds: Option<Vec<String>>,
    /// Whose; absent, the caller's own organization's.
    #[schema(value_type = Option<String>, format = "uuid")]
    organization_id: Option<OrganizationId>,
}

impl NewChannel {
    fn command(self) -> Result<CreateChannel, Problem> {
        let target = match (self.kind, self.recipients, self.url) {
            (ChannelKind::Email, Some(to), None) => Target::Email(to),
            (ChannelKind::Webhook, None, Some(url)) => Target::Webhook(hook_url(&url)?),
            (ChannelKind::Email, ..) => {
                return Err(unfit(
                    "recipients",
                    "a channel by e-mail has recipients, and no url",
                ));
            }
            (ChannelKind::Webhook, ..) => {
                return Err(unfit("url", "a webhook has a url, and no recipients"));
            }
        };
        Ok(CreateChannel {
            organization: self.organization_id,
            name: self.name,
            target,
            kinds: self.notice_kinds,
        })
    }
}

fn hook_url(text: &str) -> Result<HookUrl, Problem> {
    HookUrl::new(text).map_err(|bad| unfit("url", bad))
}

fn unfit(member: &'static str, why: impl ToString) -> Problem {
    let why = why.to_string();
    problem(Failure::Refused(Refusal::Invalid { member, why }))
}

/// Opens a channel. The secret of a webhook is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/notices/channels", tag = "notices", operation_id = "createNoticeChannel", request_body = NewChannel,
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
        description = "A repeat with the same key and body within ten minutes gets the same answer.")),
    responses((status = 201, description = "It was opened.", body = IssuedView,
        headers(("Location" = String, description = "The channel."), ("ETag" = String, description = "Its version.")))))]
async fn create(
    State(api): State<Api>,
    By(caller): By,
    command: Command<NewChannel>,
) -> Result<Response, Problem> {
    let wish = command.body.command()?;
    let opened = api
        .authority
        .create_channel(&caller, wish, command.idempotency, render)
        .await
        .map_err(problem)?;
    issued(StatusCode::CREATED, opened)
}

/// One channel.
#[utoipa::path(get, path = "/api/v1/notices/channels/{id}", tag = "notices", operation_id = "readNoticeChannel",
    params(("id" = String, Path, format = "uuid", description = "The channel.")),
    responses((status = 200, description = "The channel.", body = ChannelView, headers(("ETag" = String, description = "Its version.")))))]
async fn read(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<ChannelId>,
) -> Result<Response, Problem> {
    let state = api.authority.channel(&caller, id).await.map_err(problem)?;
    Ok(json(StatusCode::OK, &ChannelView::from(&state))?.version(state.channel.version))
}

/// Changes of a channel; what is absent stays. Its kind stays for good.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NoticeChannelEdit)]
#[serde(deny_unknown_fields)]
struct ChannelEdit {
    /// A new name.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 256)]
    name: Option<Name>,
    /// Other people, for e-mail.
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 20)]
    recipients: Option<Vec<Email>>,
    /// Another address, for a webhook. The secret stays.
    #[schema(max_length = 2048)]
    url: Option<String>,
    /// Other notices, by their kinds; `null` is every one.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>, min_items = 1)]
    notice_kinds: Option<Option<Vec<String>>>,
    /// On or off.
    active: Option<bool>,
}

impl ChannelEdit {
    fn command(self) -> Result<EditChannel, Problem> {
        let target = match (self.recipients, self.url) {
            (None, None) => None,
            (Some(to), None) => Some(Target::Email(to)),
            (None, Some(url)) => Some(Target::Webhook(hook_url(&url)?)),
            (Some(_), Some(_)) => return Err(unfit("url", "a channel has recipients or a url")),
        };
        Ok(EditChannel {
            name: self.name,
            target,
            kinds: self.notice_kinds,
            active: self.active,
        })
    }
}

/// Changes a channel.
#[utoipa::path(patch, path = "/api/v1/notices/channels/{id}", tag = "notices", operation_id = "editNoticeChannel", request_body = ChannelEdit,
    params(("id" = String, Path, format = "uuid", description = "The channel."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that the edit was made from.")),
    responses((status = 200, description = "The channel as it is now.", body = ChangedChannel, headers(("ETag" = String, description = "Its version.")))))]
async fn edit(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<ChannelId>,
    IfMatch(version): IfMatch,
    command: Command<ChannelEdit>,
) -> Result<Response, Problem> {
    let edit = command.body.command()?;
    let done = api
        .authority
        .edit_channel(&caller, id, edit, version)
        .await
        .map_err(problem)?;
    let body = ChangedChannel {
        channel: (&done.value).into(),
        revision: done.revision,
    };
    Ok(json(StatusCode::OK, &body)?.version(done.value.channel.version))
}

/// Closes a channel; what was on its way over it is dropped.
#[utoipa::path(delete, path = "/api/v1/notices/channels/{id}", tag = "notices", operation_id = "deleteNoticeChannel",
    params(("id" = String, Path, format = "uuid", description = "The channel."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that is meant.")),
    responses((status = 200, description = "The channel as it was.", body = ChangedChannel)))]
async fn delete(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<ChannelId>,
    IfMatch(version): IfMatch,
) -> Result<Response, Problem> {
    let done = api
        .authority
        .delete_channel(&caller, id, version)
        .await
        .map_err(problem)?;
    let body = ChangedChannel {
        channel: ChannelView::new(&done.value, None, false),
        revision: done.revision,
    };
    json(StatusCode::OK, &body)
}

/// Gives a webhook a new secret. The one before signs besides for 24 hours, so that its receiver can take the new one over.
#[utoipa::path(post, path = "/api/v1/notices/channels/{id}/rotate", tag = "notices", operation_id = "rotateNoticeChannel",
    request_body(content = Option<Nothing>),
    params(("id" = String, Path, format = "uuid", description = "The channel."), ("If-Match" = Option<String>, Header, pattern = r##"^(\*|(W/)?"[!#-~]*")$"##, description = "The version that is meant."),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
        description = "A repeat with the same key and body within ten minutes gets the same answer.")),
    responses((status = 200, description = "The channel with its new secret.", body = IssuedView, headers(("ETag" = String, description = "Its version.")))))]
async fn rotate(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<ChannelId>,
    IfMatch(version): IfMatch,
    Brief(command): Brief<Nothing>,
) -> Result<Response, Problem> {
    let opened = api
        .authority
        .rotate_channel_secret(&caller, id, version, command.idempotency, render)
        .await
        .map_err(problem)?;
    issued(StatusCode::OK, opened)
}

/// What came of a test.
#[derive(Serialize, ToSchema)]
#[schema(as = NoticeChannelTest)]
struct TestView {
    /// Whether the receiver has the message.
    delivered: bool,
    /// What came of it, in words: the class of an answer, or what stood in the way.
    outcome: String,
}

/// Sends a message over a channel at once, whether it is on or not, and says what came of it.
#[utoipa::path(post, path = "/api/v1/notices/channels/{id}/test", tag = "notices", operation_id = "testNoticeChannel",
    request_body(content = Option<Nothing>),
    params(("id" = String, Path, format = "uuid", description = "The channel.")),
    responses((status = 200, description = "What came of it.", body = TestView)))]
async fn test(
    State(api): State<Api>,
    By(caller): By,
    Id(id): Id<ChannelId>,
    _: Brief<Nothing>,
) -> Result<Response, Problem> {
    let outcome = api
        .authority
        .test_channel(&caller, id)
        .await
        .map_err(problem)?;
    let body = TestView {
        delivered: matches!(outcome, Outcome::Delivered { .. }),
        outcome: outcome.words().to_owned(),
    };
    json(StatusCode::OK, &body)
}

/// How a delivery stands.
#[derive(ToSchema)]
#[schema(as = DeliveryState)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it only describes")]
enum StateShape {
    /// It is tried when it is due.
    Pending,
    /// The receiver has it.
    Delivered,
    /// It is tried no more.
    Failed,
    /// Its channel was turned off before it went out.
    Dropped,
}

/// A notice on its way over a channel.
#[derive(Serialize, ToSchema)]
#[schema(as = Delivery)]
struct DeliveryView {
    /// The notice; receivers know the delivery by it.
    #[schema(format = "uuid")]
    notice_id: String,
    /// How it stands.
    #[schema(value_type = StateShape)]
    state: &'static str,
    /// How many times it was tried.
    tries: u32,
    /// What came of the last try, in words; empty before the first.
    outcome: String,
    /// When it was put into the queue.
    created_at: Time,
    /// When the last try ended.
    #[schema(required)]
    tried_at: Option<Time>,
    /// When it is tried next; `null` when it is not.
    #[schema(required)]
    due_at: Option<Time>,
}

impl From<&Delivery> for DeliveryView {
    fn from(delivery: &Delivery) -> Self {
        let is_pending = delivery.state == DeliveryState::Pending;
        Self {
            notice_id: delivery.notice.to_string(),
            state: delivery.state.as_str(),
            tries: delivery.tries,
            outcome: delivery.outcome.clone(),
            created_at: Time(delivery.created_at),
            tried_at: delivery.tried_at.map(Time),
            due_at: is_pending.then_some(Time(delivery.due_at)),
        }
    }
}

/// A page of deliveries.
#[derive(Serialize, ToSchema)]
struct Deliveries {
    /// The deliveries, the newest notice first.
    items: Vec<DeliveryView>,
    /// Where the next page begins; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Lists what went and goes out over a channel, the newest notice first.
#[utoipa::path(get, path = "/api/v1/notices/channels/{id}/deliveries", tag = "notices", operation_id = "listDeliveries",
    params(
        ("id" = String, Path, format = "uuid", description = "The channel."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "The most in the page; 100 when absent."),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before, with the same filter."),
    ),
    responses((status = 200, description = "A page of deliveries.", body = Deliveries)))]
async fn deliveries(
    State(api): State<Api>,
    By(caller): By,
    Id(channel): Id<ChannelId>,
    mut query: Query,
) -> Result<Response, Problem> {
    let page = Page::take(&mut query, &format!("deliveries over {channel}"))?;
    query.finish()?;
    let before = page.after(id(NoticeId::from_bytes))?;
    let mut found = api
        .authority
        .deliveries(&caller, channel, before, page.limit + 1)
        .await
        .map_err(problem)?;
    let next_cursor = page.cut(&mut found, |delivery| delivery.notice.as_bytes().to_vec());
    json(
        StatusCode::OK,
        &Deliveries {
            items: found.iter().map(Into::into).collect(),
            next_cursor,
        },
    )
}

/// The answer with the secret, which the idempotency record keeps.
fn render(issued: &IssuedChannel) -> Vec<u8> {
    let body = IssuedView {
        channel: ChannelView::new(&issued.channel, None, false),
        secret: issued
            .secret
            .as_ref()
            .map(|secret| secret.expose().to_owned()),
    };
    serde_json::to_vec(&body).unwrap_or_default()
}

fn issued(status: StatusCode, opened: Opened) -> Result<Response, Problem> {
    let (Opened::New(body, _) | Opened::Repeat(body)) = opened;
    let facts: Facts = serde_json::from_slice(&body).map_err(|_| ProblemKind::Internal)?;
    let response = raw(status, body).version(facts.channel.version);
    Ok(match status {
        StatusCode::CREATED => {
            response.location(format!("/api/v1/notices/channels/{}", facts.channel.id))
        }
        _ => response,
    })
}

/// What the headers of an answer need of its body.
#[derive(Deserialize)]
struct Facts {
    channel: ChannelFacts,
}

#[derive(Deserialize)]
struct ChannelFacts {
    id: String,
    version: i64,
}

const _: () = assert!(MAX_URL_BYTES == 2048, "the description says so");
