//! An organization that has an active administrator keeps one: two who switch each other off at the same moment find that
//! out under the lock of the feed, where each sees what the other did.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use credential::access::ORGANIZATION_KIND;
use credential::id::{OrganizationId, RoleId};
use credential::organization::User;
use store::{Found, View};

use super::{administrator_role, last_id};
use crate::Authority;
use crate::act::MAX_PAGE;
use crate::failure::{Failure, Refusal};

/// The law that an organization which has an active administrator keeps one.
#[derive(Clone)]
pub(super) struct LastAdministrator {
    organization: OrganizationId,
    role: Option<RoleId>,
    /// Whether the change is about an active administrator.
    touched: Arc<AtomicBool>,
}

impl LastAdministrator {
    pub(super) fn watch(authority: &Authority, organization: OrganizationId) -> Self {
        Self {
            organization,
            role: administrator_role(&authority.world()),
            touched: Arc::default(),
        }
    }

    /// Tells of the user as it was before the change.
    pub(super) fn note(&self, before: &User) {
        self.touched
            .store(self.is_held_by(before), Ordering::SeqCst);
    }

    pub(super) fn law(&self) -> impl Fn(&View<'_>) -> Result<(), Failure> + Send + 'static {
        let watch = self.clone();
        move |view| {
            if !watch.touched.load(Ordering::SeqCst) || watch.remains(view)? {
                return Ok(());
            }
            Err(Refusal::Conflict(
                "the organization would be left without an active administrator; make somebody else one first".to_owned(),
            )
            .into())
        }
    }

    fn remains(&self, view: &View<'_>) -> Result<bool, Failure> {
        let mut after = None;
        loop {
            let page = view.users_page(Some(self.organization), after, MAX_PAGE)?;
            let full = page.len() == MAX_PAGE;
            let last = last_id(&page);
            if page
                .into_iter()
                .filter_map(Found::good)
                .any(|user| self.is_held_by(&user))
            {
                return Ok(true);
            }
            if !full || last.is_none() {
                return Ok(false);
            }
            after = last;
        }
    }

    fn is_held_by(&self, user: &User) -> bool {
        let here = format!("{ORGANIZATION_KIND}:{}", self.organization);
        user.active
            && user
                .roles
                .iter()
                .any(|grant| Some(grant.role) == self.role && grant.resources.reach(Some(&here)))
    }
}
