//! What an organization chooses for itself.

use credential::id::OrganizationId;
use credential::notice::Policy;
use store::settings::Setting;
use store::{Fault, Found, View};

use crate::Authority;
use crate::act::{Done, gives_nothing, refuse_stale};
use crate::caller::{Caller, Need};
use crate::failure::{Failure, Refusal};

pub(crate) const READ: &str = "latchkey.settings:read";
pub(crate) const WRITE: &str = "latchkey.settings:write";

/// The name of the row.
const NOTICES: &str = "notices";
/// The longest time ahead of which an expiry is told; two years, as long as long-lived keys.
const MAX_AHEAD: credential::time::Span = credential::time::Span::from_days(732);

/// The settings of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationSettings {
    /// When people are told of keys that will end or lie unused.
    pub notices: Policy,
    /// Counts the changes; zero while nobody has chosen anything.
    pub version: i64,
}

impl Authority {
    /// The settings of an organization.
    pub async fn organization_settings(
        &self,
        caller: &Caller,
        organization: OrganizationId,
    ) -> Result<OrganizationSettings, Failure> {
        self.permit(
            caller,
            &Need {
                scope: READ,
                organization,
                product: None,
            },
        )
        .await?;
        Ok(self
            .store()
            .view(move |view| settings_of(view, organization))
            .await?)
    }

    /// Chooses anew when people are told.
    pub async fn set_notice_policy(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        policy: Policy,
        version: Option<i64>,
    ) -> Result<Done<OrganizationSettings>, Failure> {
        if policy.very_soon > policy.soon || policy.soon > MAX_AHEAD || policy.refresh_divisor == 0
        {
            let why = "the shorter time ahead is at most the longer one, that at most 732 days, and the divisor is not 0";
            return Err(Refusal::invalid("notices", why).into());
        }
        let need = Need {
            scope: WRITE,
            organization,
            product: None,
        };
        self.act(caller, vec![need], gives_nothing, move |change| {
            let now_is = settings_of(change, organization)?;
            refuse_stale(now_is.version, version)?;
            let value =
                serde_json::to_string(&policy).map_err(|error| Fault::Shape(error.to_string()))?;
            let setting = Setting {
                name: NOTICES.to_owned(),
                organization: Some(organization),
                value,
                version: now_is.version,
            };
            let written = change.put_setting(setting, "{}")?;
            Ok(OrganizationSettings {
                notices: policy.clone(),
                version: written.version,
            })
        })
        .await
    }
}

/// What an organization chose. A row that was tampered with counts as not chosen: notices decide about nothing.
pub(crate) fn settings_of(
    view: &View<'_>,
    organization: OrganizationId,
) -> Result<OrganizationSettings, Fault> {
    let found = view.setting(NOTICES, Some(organization))?;
    let version = match &found {
        Some(Found::Good(setting)) => setting.version,
        Some(Found::Tampered(_)) | None => 0,
    };
    let notices = found
        .and_then(Found::good)
        .and_then(|setting| serde_json::from_str(&setting.value).ok());
    Ok(OrganizationSettings {
        notices: notices.unwrap_or_default(),
        version,
    })
}
