//! Scope-based access control: `/platform/iam/v1/scope/{entity_type}/{entity_id}`. It is kept always, and counts where the
//! organization enforces it.

use std::collections::BTreeMap;

use authority::Authority;
use authority::reach::Reacher;
use axum::extract::{Request, State};
use axum::response::Response;
use credential::reach::{Area as Reached, Extent, Reach};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::answer;
use super::areas::{Area, No};
use super::call::{Call, json};
use super::wire::{Data, Message};

const ASSET_GROUP: &str = "asset_group";
const DATASET: &str = "dataset";
const ENDPOINT_GROUP: &str = "endpoint_group";
const ENDPOINT_TAG: &str = "endpoint_tag";
const CASE_TAG: &str = "case_tag";

/// What is to be reached; an area that is absent is not.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    assets: Option<WantedAssets>,
    datasets_rows: Option<Datasets>,
    endpoints: Option<WantedEndpoints>,
    cases_issues: Option<WantedNames>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedAssets {
    mode: String,
    asset_group_ids: Option<Vec<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedEndpoints {
    endpoint_groups: Option<WantedNames>,
    endpoint_tags: Option<WantedNames>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedNames {
    mode: String,
    names: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Datasets {
    default_filter_mode: String,
    filters: Option<Vec<Rows>>,
}

/// Which rows of a dataset.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    dataset: String,
    filter: String,
}

#[derive(Serialize)]
struct Shown {
    assets: Assets,
    datasets_rows: Datasets,
    endpoints: Endpoints,
    cases_issues: Tags,
}

#[derive(Serialize)]
struct Assets {
    mode: &'static str,
    asset_groups: Vec<AssetGroup>,
}

#[derive(Serialize)]
struct AssetGroup {
    asset_group_id: i64,
    asset_group_name: String,
}

#[derive(Serialize)]
struct Endpoints {
    endpoint_groups: Tags,
    endpoint_tags: Tags,
}

#[derive(Serialize)]
struct Tags {
    mode: &'static str,
    tags: Vec<Tag>,
}

#[derive(Serialize)]
struct Tag {
    tag_id: String,
    tag_name: String,
}

pub(super) async fn read(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Platform, async {
        let call = Call::of(&authority, request).await?;
        let reacher = call.reacher().await?;
        let reach = authority.reach(&call.caller, reacher).await?;
        Ok(json(&Data::of(shown(&reach))))
    })
    .await
}

pub(super) async fn write(State(authority): State<Authority>, request: Request) -> Response {
    answer(Area::Platform, async {
        let call = Call::of(&authority, request).await?;
        let wanted = call.wanted::<Wanted>()?;
        let reacher = call.reacher().await?;
        let reach = wanted.reach()?;
        authority
            .set_reach(&call.caller, reacher, &call.product, reach)
            .await?;
        Ok(json(&Data::of(Message {
            message: "Scope updated successfully".to_owned(),
        })))
    })
    .await
}

impl Call<'_> {
    /// Whom the path names.
    async fn reacher(&self) -> Result<Reacher, No> {
        let none = || No::of(StatusCode::NOT_FOUND);
        let [kind, id] = self.names.as_slice() else {
            return Err(none());
        };
        match kind.as_str() {
            "user" => {
                let user = self.person_at(id).await?;
                user.map(|user| Reacher::User(user.id)).ok_or_else(none)
            }
            "group" | "user_group" => id.parse().map(Reacher::Group).map_err(|_| none()),
            "api_key" => {
                let key = self.authority.key_called(&self.caller, &self.product, id);
                Ok(Reacher::Key(key.await?.id))
            }
            _ => Err(none()),
        }
    }
}

impl Wanted {
    fn reach(self) -> Result<Reach, No> {
        let mut areas = BTreeMap::new();
        if let Some(assets) = self.assets {
            let ids = assets.asset_group_ids.unwrap_or_default();
            let ids = ids.iter().map(ToString::to_string);
            areas.insert(ASSET_GROUP, reached(&assets.mode, plain(ids))?);
        }
        if let Some(datasets) = self.datasets_rows {
            let rows = datasets.filters.unwrap_or_default().into_iter();
            let rows = rows.map(|rows| (rows.dataset, rows.filter));
            areas.insert(
                DATASET,
                reached(&datasets.default_filter_mode, rows.collect())?,
            );
        }
        let endpoints = self.endpoints.unwrap_or(WantedEndpoints {
            endpoint_groups: None,
            endpoint_tags: None,
        });
        for (kind, names) in [
            (ENDPOINT_GROUP, endpoints.endpoint_groups),
            (ENDPOINT_TAG, endpoints.endpoint_tags),
            (CASE_TAG, self.cases_issues),
        ] {
            if let Some(WantedNames { mode, names }) = names {
                let names = plain(names.unwrap_or_default().into_iter());
                areas.insert(kind, reached(&mode, names)?);
            }
        }
        let areas = areas
            .into_iter()
            .map(|(kind, area)| (kind.to_owned(), area));
        Reach::new(areas.collect()).map_err(|why| No::invalid(why.to_string()))
    }
}

/// Resources that nothing narrows.
fn plain(ids: impl Iterator<Item = String>) -> BTreeMap<String, String> {
    ids.map(|id| (id, String::new())).collect()
}

/// `scope`, `no_scope`, and for all `see_all` or `any`.
fn reached(mode: &str, listed: BTreeMap<String, String>) -> Result<Reached, No> {
    let extent = match mode {
        "scope" => Extent::Listed,
        "no_scope" => Extent::Nothing,
        "see_all" | "any" => Extent::All,
        _ => {
            return Err(No::invalid(
                "mode: expected scope, no_scope, see_all or any",
            ));
        }
    };
    Ok(Reached { extent, listed })
}

fn shown(reach: &Reach) -> Shown {
    let mode = |kind: &str| match reach.area(kind).map(|area| area.extent) {
        None | Some(Extent::Nothing) => "no_scope",
        Some(Extent::Listed) => "scope",
        Some(Extent::All) if kind == ENDPOINT_TAG => "any",
        Some(Extent::All) => "see_all",
    };
    let listed = |kind: &str| {
        let area = reach.area(kind);
        area.map(|area| area.listed.clone()).unwrap_or_default()
    };
    let tags = |kind: &str| Tags {
        mode: mode(kind),
        tags: listed(kind)
            .into_keys()
            .map(|name| Tag {
                tag_id: name.clone(),
                tag_name: name,
            })
            .collect(),
    };
    let asset_groups = listed(ASSET_GROUP).into_keys().map(|id| AssetGroup {
        asset_group_id: id.parse().unwrap_or_default(),
        asset_group_name: String::new(),
    });
    Shown {
        assets: Assets {
            mode: mode(ASSET_GROUP),
            asset_groups: asset_groups.collect(),
        },
        datasets_rows: Datasets {
            default_filter_mode: mode(DATASET).to_owned(),
            filters: Some(
                listed(DATASET)
                    .into_iter()
                    .map(|(dataset, filter)| Rows { dataset, filter })
                    .collect(),
            ),
        },
        endpoints: Endpoints {
            endpoint_groups: tags(ENDPOINT_GROUP),
            endpoint_tags: tags(ENDPOINT_TAG),
        },
        cases_issues: tags(CASE_TAG),
    }
}
