//! Notices: what people should be told about their keys, each once, whatever the number of replicas that notice it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use credential::event::{Subject, SubjectKind};
use credential::family::Family;
use credential::id::{KeyId, NoticeId, OrganizationId};
use credential::key::{Key, Kind as KeyKind, State};
use credential::notice::{Due, Facts, Policy, REFRESH_REUSED, due};
use credential::time::Instant;
pub use store::deliveries::Delivery;
use store::keys::{KeyFilter, KeyOrder, KeyPlace};
pub use store::notices::Notice;
use store::{Fault, Found};

use crate::Authority;
use crate::act::{MAX_PAGE, hidden};
use crate::caller::{Caller, Need};
use crate::failure::{Failure, Refusal};
use crate::keys::place_after;
use crate::organizations::{is_operator, settings_of};

pub mod channels;
pub mod courier;
mod deliver;

pub use deliver::LEASE;

pub(crate) const READ: &str = "latchkey.notices:read";
pub(crate) const WRITE: &str = "latchkey.notices:write";

/// Keys that one step of the scan looks at: a step is one read and one write, of some milliseconds each.
pub const SCAN: usize = 500;

/// Which notices a page is about.
#[derive(Debug, Clone, Default)]
pub struct NoticeFilter {
    /// Those for this organization; `None` is the caller's own.
    pub organization: Option<OrganizationId>,
    /// All of the server, with those for whoever runs it; for the operator only.
    pub everywhere: bool,
    /// Those that nobody has seen to their end.
    pub unread: bool,
}

impl Authority {
    /// A page of notices, the newest first; `before` is the last id of the page before.
    pub async fn notices(
        &self,
        caller: &Caller,
        filter: NoticeFilter,
        before: Option<NoticeId>,
        limit: usize,
    ) -> Result<Vec<Notice>, Failure> {
        let organization = filter.organization.unwrap_or(caller.organization);
        self.permit(caller, &need(READ, organization)).await?;
        if filter.everywhere && !is_operator(&self.world(), caller) {
            return Err(
                Refusal::Ceiling("seeing the notices of the whole server".to_owned()).into(),
            );
        }
        let of = (!filter.everywhere).then_some(organization);
        let limit = limit.clamp(1, MAX_PAGE);
        Ok(self
            .store()
            .view(move |view| view.notices_page(of, filter.unread, before, limit))
            .await?)
    }

    /// Marks a notice as seen to its end; who is second is told who was first.
    pub async fn read_notice(&self, caller: &Caller, id: NoticeId) -> Result<Notice, Failure> {
        let notice = self.seen_notice(caller, id).await?;
        if notice.read.is_some() {
            return Ok(notice);
        }
        let need = need(WRITE, notice.organization.unwrap_or(caller.organization));
        self.permit(caller, &need).await?;
        let actor = caller.actor();
        let by = format!("{}:{}", actor.kind, actor.id);
        self.store()
            .change(
                actor,
                self.now(),
                |_| Ok(()),
                move |change| change.read_notice(id, &by),
            )
            .await
            .map_err(|fault: Fault| Failure::from(fault))?;
        self.seen_notice(caller, id).await
    }

    /// One step of the scan for what is due: looks at the next [`SCAN`] keys that are active, and raises what is due for
    /// them. Gives the place to go on from, `None` at the end.
    pub async fn raise_due_notices(&self, after: Option<KeyId>) -> Result<Option<KeyId>, Failure> {
        let now = self.now();
        let filter = KeyFilter {
            state: Some(State::Active.as_str()),
            ..KeyFilter::default()
        };
        let place = after.map(|id| KeyPlace {
            id,
            name: String::new(),
        });
        let (keys, policies, next) = self
            .store()
            .view(move |view| -> Result<_, Fault> {
                let page = view.keys_page(&filter, KeyOrder::Oldest, place.as_ref(), SCAN)?;
                let next = place_after(&page).filter(|_| page.len() == SCAN);
                let next = next.map(|place| place.id);
                let mut keys = Vec::new();
                for key in page.into_iter().filter_map(Found::good) {
                    let used = view
                        .usage_of(key.id, 2)?
                        .iter()
                        .map(|usage| usage.last_used_at)
                        .max();
                    let refresh = match key.kind {
                        KeyKind::TokenPair => {
                            let families = view
                                .live_families_of(key.id, 10)?
                                .into_iter()
                                .filter_map(Found::good);
                            families
                                .map(|family| (family.rotated_at, family.refresh_until))
                                .max_by_key(|(_, end)| *end)
                        }
                        _ => None,
                    };
                    keys.push((key, used, refresh));
                }
                let mut policies: HashMap<OrganizationId, Policy> = HashMap::new();
                for (key, _, _) in &keys {
                    if let Entry::Vacant(unknown) = policies.entry(key.organization) {
                        unknown.insert(settings_of(view, key.organization)?.notices);
                    }
                }
                Ok((keys, policies, next))
            })
            .await?;
        let mut notices = Vec::new();
        for (key, last_used_at, refresh) in &keys {
            let facts = Facts {
                key: key.id,
                created_at: key.created_at,
                expires_at: key.expires_at,
                refresh: *refresh,
                last_used_at: *last_used_at,
            };
            let Some(policy) = policies.get(&key.organization) else {
                continue;
            };
            for due in due(&facts, policy, now) {
                notices.push(self.due_notice(key, due, now)?);
            }
        }
        if !notices.is_empty() {
            self.store().raise_notices(notices).await?;
        }
        Ok(next)
    }

    fn due_notice(&self, key: &Key, due: Due, now: Instant) -> Result<Notice, Failure> {
        let body =
            serde_json::json!({ "key_name": key.name.as_str(), "about_ms": due.about.millis() });
        let subject = Subject {
            kind: SubjectKind::Key,
            id: key.id.to_string(),
        };
        self.notice(
            Some(key.organization),
            due.kind.as_str(),
            subject,
            due.once,
            &body,
            now,
        )
    }

    pub(crate) fn notice(
        &self,
        organization: Option<OrganizationId>,
        kind: &str,
        subject: Subject,
        once: String,
        body: &serde_json::Value,
        now: Instant,
    ) -> Result<Notice, Failure> {
        Ok(Notice {
            id: NoticeId::mint(now, self.entropy().draw()?),
            organization,
            once,
            kind: kind.to_owned(),
            subject,
            body: body.to_string(),
            created_at: now,
            read: None,
        })
    }

    /// One notice, if the caller may see it. Those for whoever runs the server are for the operator.
    async fn seen_notice(&self, caller: &Caller, id: NoticeId) -> Result<Notice, Failure> {
        let found = self.store().view(move |view| view.notice(id)).await?;
        let notice = found.ok_or(Refusal::NotFound("notice"))?;
        let world: Arc<crate::World> = self.world();
        if notice.organization.is_none() && !is_operator(&world, caller) {
            return Err(Refusal::NotFound("notice").into());
        }
        let organization = notice.organization.unwrap_or(caller.organization);
        self.permit(caller, &need(READ, organization))
            .await
            .map_err(|refusal| hidden(refusal, "notice"))?;
        Ok(notice)
    }
}

fn need(scope: &'static str, organization: OrganizationId) -> Need {
    Need {
        scope,
        organization,
        product: None,
    }
}

/// What is told when a refresh token came back after its successor was in use: somebody copied it.
pub(crate) fn of_reuse(id: NoticeId, family: &Family, now: Instant) -> Notice {
    Notice {
        id,
        organization: Some(family.organization),
        once: format!("{REFRESH_REUSED}:{}", family.id),
        kind: REFRESH_REUSED.to_owned(),
        subject: Subject {
            kind: SubjectKind::Key,
            id: family.key.to_string(),
        },
        body: serde_json::json!({ "family": family.id.to_string() }).to_string(),
        created_at: now,
        read: None,
    }
}
