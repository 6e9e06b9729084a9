//! What an organization chooses for itself.

use credential::id::OrganizationId;
use credential::notice::Policy;
use store::settings::Setting;
use store::{Fault, Found, View};

use crate::Authority;
use crate::act::{Done, gives_nothing, refuse_stale};
use crate::caller::{Caller, Need};
use crate::failure::{Failure, Refusal};
use crate::reach::{ENFORCED, is_on};

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
    /// Whether what keys and people reach is enforced; what they do stays in their roles.
    pub enforce_reach: bool,
    /// Counts the changes; zero while nobody has chosen anything.
    pub version: i64,
}

/// Changes to the settings; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct EditSettings {
    /// Another policy of notices.
    pub notices: Option<Policy>,
    /// Whether what keys and people reach is enforced.
    pub enforce_reach: Option<bool>,
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
        let edit = EditSettings {
            notices: Some(policy),
            enforce_reach: None,
        };
        self.edit_organization_settings(caller, organization, edit, version)
            .await
    }

    /// Chooses some of the settings anew.
    pub async fn edit_organization_settings(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        edit: EditSettings,
        version: Option<i64>,
    ) -> Result<Done<OrganizationSettings>, Failure> {
        if let Some(policy) = &edit.notices {
            check(policy)?;
        }
        let need = Need {
            scope: WRITE,
            organization,
            product: None,
        };
        self.act(caller, vec![need], gives_nothing, move |change| {
            let now_is = settings_of(change, organization)?;
            refuse_stale(now_is.version, version)?;
            let notices = edit.notices.as_ref().map(serde_json::to_string).transpose();
            let notices = notices.map_err(|error| Fault::Shape(error.to_string()))?;
            let enforced = edit.enforce_reach.map(|on| on.to_string());
            for (name, value) in [(NOTICES, notices), (ENFORCED, enforced)] {
                let Some(value) = value else { continue };
                let found = change.setting(name, Some(organization))?;
                let setting = Setting {
                    name: name.to_owned(),
                    organization: Some(organization),
                    value,
                    version: version_of(found.as_ref()),
                };
                change.put_setting(setting, "{}")?;
            }
            Ok(settings_of(change, organization)?)
        })
        .await
    }
}

fn check(policy: &Policy) -> Result<(), Refusal> {
    if policy.very_soon > policy.soon || policy.soon > MAX_AHEAD || policy.refresh_divisor == 0 {
        let why = "the shorter time ahead is at most the longer one, that at most 732 days, and the divisor is not 0";
        return Err(Refusal::invalid("notices", why));
    }
    Ok(())
}

/// What an organization chose. A row that was tampered with counts as not chosen: notices decide about nothing.
pub(crate) fn settings_of(
    view: &View<'_>,
    organization: OrganizationId,
) -> Result<OrganizationSettings, Fault> {
    let found = view.setting(NOTICES, Some(organization))?;
    let enforced = view.setting(ENFORCED, Some(organization))?;
    let version = version_of(found.as_ref()) + version_of(enforced.as_ref());
    let notices = found
        .and_then(Found::good)
        .and_then(|setting| serde_json::from_str(&setting.value).ok());
    Ok(OrganizationSettings {
        notices: notices.unwrap_or_default(),
        enforce_reach: enforced.as_ref().is_some_and(is_on),
        version,
    })
}

fn version_of(found: Option<&Found<Setting>>) -> i64 {
    match found {
        Some(Found::Good(setting)) => setting.version,
        Some(Found::Tampered(_)) | None => 0,
    }
}

/// What a look at the settings of an organization needs.
pub(crate) fn settings_need(organization: OrganizationId) -> Need {
    Need {
        scope: READ,
        organization,
        product: None,
    }
}
