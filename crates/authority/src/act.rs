//! A change as most use cases make it: weighed at the door, made in one transaction, weighed again under the lock of
//! the feed, and in force everywhere before the answer.

use credential::access::Ceiling;
use store::{Change, View};

use crate::Authority;
use crate::caller::{Caller, Need};
use crate::failure::{Failure, Refusal};
use crate::world::World;

/// The most things in one page.
pub(crate) const MAX_PAGE: usize = store::change::MAX_PAGE;

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done<T> {
    /// The thing as it is now.
    pub value: T,
    /// The number of the change.
    pub revision: i64,
}

impl Authority {
    /// Makes a change that needs all of `needs`. `rule` is asked at the door and under the lock, with what the caller
    /// may give away in the organization of the first need; `body` may run again when somebody was faster.
    pub(crate) async fn act<T: Send + 'static>(
        &self,
        caller: &Caller,
        needs: Vec<Need>,
        rule: impl Fn(&World, &Ceiling) -> Result<(), Refusal> + Send + 'static,
        body: impl FnMut(&mut Change<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<Done<T>, Failure> {
        self.act_guarded(caller, needs, rule, |_| Ok(()), body)
            .await
    }

    /// [`Authority::act`] with a law of its own: `law` sees, under the lock, the rows as they would be after the
    /// change and every change committed before it.
    pub(crate) async fn act_guarded<T: Send + 'static>(
        &self,
        caller: &Caller,
        needs: Vec<Need>,
        rule: impl Fn(&World, &Ceiling) -> Result<(), Refusal> + Send + 'static,
        law: impl Fn(&View<'_>) -> Result<(), Failure> + Send + 'static,
        body: impl FnMut(&mut Change<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<Done<T>, Failure> {
        for need in &needs {
            self.permit(caller, need).await?;
        }
        let organization = needs
            .first()
            .map_or(caller.organization, |need| need.organization);
        let ceiling = self.ceiling(caller, organization).await?;
        rule(&self.world(), &ceiling)?;
        let (authority, who, now) = (self.clone(), caller.clone(), self.now());
        let authorize = move |view: &View<'_>| {
            authority.recheck(view, &who, &needs, now, &rule)?;
            law(view)
        };
        let changed = self
            .store()
            .change(caller.actor(), now, authorize, body)
            .await?;
        let revision = self.settle(&changed).await?;
        Ok(Done {
            value: changed.value,
            revision,
        })
    }
}

/// The rule of a change that gives nothing away.
pub(crate) fn gives_nothing(_: &World, _: &Ceiling) -> Result<(), Refusal> {
    Ok(())
}

/// Refuses to write over a version that the caller has not read.
pub(crate) fn refuse_stale(version: i64, expected: Option<i64>) -> Result<(), Refusal> {
    match expected {
        Some(expected) if expected != version => Err(Refusal::Stale { version }),
        _ => Ok(()),
    }
}

/// What somebody is told who may not see a thing: that there is none.
pub(crate) fn hidden(failure: Failure, thing: &'static str) -> Failure {
    match failure {
        Failure::Refused(Refusal::NotFound(_) | Refusal::Forbidden { .. }) => {
            Refusal::NotFound(thing).into()
        }
        other => other,
    }
}
