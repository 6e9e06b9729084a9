//! Where organizations are at home: a code that says something to people, and decides nothing here.

use std::collections::HashMap;

use credential::id::OrganizationId;
use credential::organization::Region;
use store::settings::Setting;
use store::{Change, Fault, Found, View};

use crate::Authority;
use crate::failure::Failure;

/// The name of the row.
const REGION: &str = "region";

impl Authority {
    /// Where these organizations are at home; one of which nobody said it is not in the answer.
    pub async fn regions(
        &self,
        organizations: Vec<OrganizationId>,
    ) -> Result<HashMap<OrganizationId, Region>, Failure> {
        let read = move |view: &View<'_>| -> Result<_, Fault> {
            let mut regions = HashMap::new();
            for id in organizations {
                let found = view.setting(REGION, Some(id))?.and_then(Found::good);
                let region = found.and_then(|setting| serde_json::from_str(&setting.value).ok());
                if let Some(region) = region {
                    regions.insert(id, region);
                }
            }
            Ok(regions)
        };
        Ok(self.store().view(read).await?)
    }
}

/// Says where a new organization is at home.
pub(super) fn settle(
    change: &mut Change<'_>,
    organization: OrganizationId,
    region: &Region,
) -> Result<(), Fault> {
    let value = serde_json::to_string(region).map_err(|error| Fault::Shape(error.to_string()))?;
    let setting = Setting {
        name: REGION.to_owned(),
        organization: Some(organization),
        value,
        version: 0,
    };
    change.put_setting(setting, "{}").map(drop)
}
