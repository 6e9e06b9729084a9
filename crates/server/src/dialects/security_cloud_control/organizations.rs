//! Organizations: those that a key may see, one of them, new ones, other names.

use authority::Authority;
use authority::organizations::{CreateOrganization, OrganizationFilter};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use credential::id::OrganizationId;
use credential::name::Name;
use credential::organization::{Organization, OrganizationKind};
use http::StatusCode;

use super::call::{Answer, Call};
use super::errors::No;
use super::translate;
use super::wire::{self, NewOrganization, Organizations, Renamed};
use crate::dialects::json;

const READ: &str = "platform.organizations:read";
const WRITE: &str = "platform.organizations:write";

/// Organizations that are read at once.
const PAGE: usize = 1000;
/// Organizations in one answer, when nobody says, and at most.
const IN_AN_ANSWER: (usize, usize) = (100, 500);

pub(super) async fn list(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, READ).await?;
        let query = call.query()?;
        let wanted = Wanted::read(&query)?;
        let shown = wanted.shown(&call).await?;
        Ok(json(StatusCode::OK, &wanted.cut(shown)?))
    }
    .await;
    answer.into_response()
}

pub(super) async fn read(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, READ).await?;
        let id = call.organization()?.id;
        let organization = authority.organization(&call.caller, id).await?;
        one(&call, StatusCode::OK, &organization).await
    }
    .await;
    answer.into_response()
}

pub(super) async fn create(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, WRITE).await?;
        let wanted: NewOrganization = call.wanted()?;
        let region = wanted.region_code.as_deref().map(translate::region);
        let kind = wanted.kind.as_deref().map(translate::organization_kind);
        let command = CreateOrganization {
            name: name(&wanted.name)?,
            kind: kind.transpose()?.unwrap_or(OrganizationKind::Standalone),
            parent: None,
        };
        let made = authority
            .create_organization_in(&call.caller, command, region.transpose()?)
            .await?;
        one(&call, StatusCode::CREATED, &made.value).await
    }
    .await;
    answer.into_response()
}

pub(super) async fn rename(State(authority): State<Authority>, request: Request) -> Response {
    let answer: Answer = async {
        let call = Call::of(&authority, request, WRITE).await?;
        let id = call.organization()?.id;
        let name = name(&call.wanted::<Renamed>()?.name)?;
        let renamed = authority
            .rename_organization(&call.caller, id, name, None)
            .await?;
        one(&call, StatusCode::OK, &renamed.value).await
    }
    .await;
    answer.into_response()
}

fn name(text: &str) -> Result<Name, No> {
    Name::new(text).map_err(|why| No::bad_request(format!("name: {why}")))
}

/// One organization, with those that it manages as far as the caller may see them, or its manager.
async fn one(call: &Call<'_>, status: StatusCode, organization: &Organization) -> Answer {
    let regions = call.authority.regions(vec![organization.id]).await?;
    let mut shown = translate::organization(organization, regions.get(&organization.id));
    if organization.kind == OrganizationKind::Manager {
        let managed = OrganizationFilter {
            parent: Some(organization.id),
            ..OrganizationFilter::default()
        };
        let managed = every(call, managed).await?;
        shown.managed_org_ids = Some(managed.iter().map(|one| one.id.to_string()).collect());
    }
    if let Some(manager) = organization.parent {
        shown.manager_org_ids = Some(vec![manager.to_string()]);
    }
    Ok(json(status, &shown))
}

/// All the organizations that the caller may see, in the order in which they were made.
pub(super) async fn every(
    call: &Call<'_>,
    filter: OrganizationFilter,
) -> Result<Vec<Organization>, No> {
    let mut all: Vec<Organization> = Vec::new();
    loop {
        let after = all.last().map(|organization| organization.id);
        let page = call
            .authority
            .organizations(&call.caller, filter.clone(), after, PAGE)
            .await?;
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

/// What a list shall be.
struct Wanted {
    filter: OrganizationFilter,
    region: Option<String>,
    /// Nobody's country is known here.
    country: bool,
    most: usize,
    after: Option<String>,
    sort_by: SortBy,
    descending: bool,
}

#[derive(Clone, Copy)]
enum SortBy {
    Created,
    Name,
    Kind,
    Region,
}

impl Wanted {
    fn read(query: &crate::edge::form::Form) -> Result<Self, No> {
        let text = |name: &str| query.get(name).map(str::to_owned);
        let kind = query.get("type").map(translate::organization_kind);
        let region = query.get("regionCode").map(translate::region);
        let manager = query.get("managerOrgId").map(str::parse::<OrganizationId>);
        let filter = OrganizationFilter {
            name_has: text("name"),
            kind: kind.transpose()?,
            parent: manager
                .transpose()
                .map_err(|_| No::bad_request("managerOrgId: expected the id of an organization"))?,
            active: None,
        };
        let (usual, most) = IN_AN_ANSWER;
        let most = match query.get("max") {
            None => usual,
            Some(text) => text
                .parse()
                .ok()
                .filter(|wanted| (1..=most).contains(wanted))
                .ok_or_else(|| {
                    No::bad_request(format!("max: expected a number from 1 to {most}"))
                })?,
        };
        let sort_by = match query.get("sortBy") {
            None | Some("created" | "id") => SortBy::Created,
            Some("name") => SortBy::Name,
            Some("type") => SortBy::Kind,
            Some("regionCode") => SortBy::Region,
            Some(_) => {
                return Err(No::bad_request(
                    "sortBy: expected name, created, type or regionCode",
                ));
            }
        };
        let descending = match query.get("order") {
            None | Some("ASC") => false,
            Some("DESC") => true,
            Some(_) => return Err(No::bad_request("order: expected ASC or DESC")),
        };
        Ok(Self {
            filter,
            region: region.transpose()?.map(|region| region.as_str().to_owned()),
            country: query.get("countryCode").is_some(),
            most,
            after: text("cursor"),
            sort_by,
            descending,
        })
    }

    /// All that are wanted, in the order wanted.
    async fn shown(&self, call: &Call<'_>) -> Result<Vec<wire::Organization>, No> {
        let found = every(call, self.filter.clone()).await?;
        let ids = found.iter().map(|organization| organization.id).collect();
        let regions = call.authority.regions(ids).await?;
        let mut shown: Vec<wire::Organization> = found
            .iter()
            .filter(|_| !self.country)
            .map(|one| translate::organization(one, regions.get(&one.id)))
            .filter(|one| {
                self.region
                    .as_ref()
                    .is_none_or(|code| *code == one.region_code)
            })
            .collect();
        // The sort keeps the order of before where two are the same, so that a cursor finds its place again.
        match self.sort_by {
            SortBy::Created => {}
            SortBy::Name => shown.sort_by_key(|one| one.name.to_lowercase()),
            SortBy::Kind => shown.sort_by_key(|one| one.kind),
            SortBy::Region => shown.sort_by_key(|one| one.region_code.clone()),
        }
        if self.descending {
            shown.reverse();
        }
        Ok(shown)
    }

    /// One answer of them: the cursor is the id of the last one before. An organization is never removed.
    fn cut(&self, mut shown: Vec<wire::Organization>) -> Result<Organizations, No> {
        let unknown = || No::bad_request("cursor: it is none of this list");
        let begin = match &self.after {
            None => 0,
            Some(cursor) => {
                let place = shown.iter().position(|one| one.id == *cursor);
                place.ok_or_else(unknown)? + 1
            }
        };
        let mut page = shown.split_off(begin);
        let more = page.len() > self.most;
        page.truncate(self.most);
        Ok(Organizations {
            next_cursor: page.last().map(|one| one.id.clone()).filter(|_| more),
            organizations: page,
        })
    }
}
