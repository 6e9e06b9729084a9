//! The four reports under `/reports/v2/apiUsage`: how the organization's keys were used, from what was noted of their calls.

use std::collections::BTreeMap;
use std::sync::Arc;

use authority::{Authority, Call, CallCount};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use credential::time::Instant;
use http::StatusCode;
use http::header::USER_AGENT;

use super::areas::{Area, No};
use super::keys::caller;
use super::wire::{Calls, Item, Report, Requests, Summary, Totals};
use crate::dialects::{json, time};
use crate::edge::form::Form;
use crate::edge::{Arrival, route};

const SCOPE: &str = "reports.apiusage:read";

/// Lets each call of the dialect's own be noted with the status of its answer.
pub(super) async fn note(
    State(authority): State<Authority>,
    request: Request,
    next: Next,
) -> Response {
    let (mut head, body) = request.into_parts();
    let agent = head.headers.get(USER_AGENT);
    let agent = agent.map(|agent| agent.as_bytes()).unwrap_or_default();
    let call = Arc::new(Call::new(head.method.as_str(), route(&head), agent));
    head.extensions.insert(Arc::clone(&call));
    let response = next.run(Request::from_parts(head, body)).await;
    authority.note_call(&call, response.status().as_u16());
    response
}

pub(super) async fn keys(State(authority): State<Authority>, request: Request) -> Response {
    grouped(&authority, request, |call| {
        (call.key.to_string(), call.key_name.clone())
    })
    .await
    .map(|(asked, groups)| {
        let item = |((key_id, key_name), requests)| Item::Key {
            key_id,
            key_name,
            requests,
        };
        report(asked, groups.into_iter().map(item))
    })
    .unwrap_or_else(|no| Area::Usage.answer(no))
}

pub(super) async fn requests(State(authority): State<Authority>, request: Request) -> Response {
    grouped(&authority, request, |call| call.agent.clone())
        .await
        .map(|(asked, groups)| {
            let item = |(user_agent, requests)| Item::Program {
                user_agent,
                requests,
            };
            report(asked, groups.into_iter().map(item))
        })
        .unwrap_or_else(|no| Area::Usage.answer(no))
}

pub(super) async fn responses(State(authority): State<Authority>, request: Request) -> Response {
    grouped(&authority, request, |call| call.status)
        .await
        .map(|(asked, groups)| {
            let item = |(status, requests): (u16, _)| Item::Status {
                status_code: status.to_string(),
                requests,
            };
            report(asked, groups.into_iter().map(item))
        })
        .unwrap_or_else(|no| Area::Usage.answer(no))
}

pub(super) async fn summary(State(authority): State<Authority>, request: Request) -> Response {
    let totals = async {
        let (_, calls) = counted(&authority, request).await?;
        let uses = |failed: bool| {
            let those = calls.iter().filter(|call| (call.status >= 400) == failed);
            those.map(|call| call.uses).sum::<u64>()
        };
        let data = Totals {
            total: uses(true) + uses(false),
            successful_requests: uses(false),
            failed_requests: uses(true),
        };
        Ok(json(StatusCode::OK, &Summary { data }))
    };
    totals.await.unwrap_or_else(|no| Area::Usage.answer(no))
}

/// The stretch of time that was asked for, as it was written.
struct Asked {
    from: String,
    to: String,
}

fn report(Asked { from, to }: Asked, items: impl Iterator<Item = Item>) -> Response {
    let mut items: Vec<Calls> = items.map(Calls::of).collect();
    // The busiest first; those that are alike stay in the order of their names.
    items.sort_by_key(|calls| std::cmp::Reverse(calls.count));
    let count = items.iter().map(|calls| calls.count).sum();
    let report = Report {
        from,
        to,
        count,
        items,
    };
    json(StatusCode::OK, &report)
}

/// The requests that were asked for, in groups.
async fn grouped<G: Ord>(
    authority: &Authority,
    request: Request,
    group: impl Fn(&CallCount) -> G,
) -> Result<(Asked, Vec<(G, Vec<Requests>)>), No> {
    let (asked, calls) = counted(authority, request).await?;
    let mut groups: BTreeMap<G, BTreeMap<(String, String), u64>> = BTreeMap::new();
    for call in calls {
        let requests = groups.entry(group(&call)).or_default();
        *requests.entry((call.path, call.verb)).or_default() += call.uses;
    }
    let listed = |requests: BTreeMap<(String, String), u64>| {
        let requests = requests.into_iter();
        let mut requests: Vec<Requests> = requests
            .map(|((path, verb), count)| Requests { path, verb, count })
            .collect();
        requests.sort_by_key(|requests| std::cmp::Reverse(requests.count));
        requests
    };
    let groups = groups.into_iter();
    Ok((asked, groups.map(|(of, all)| (of, listed(all))).collect()))
}

/// The calls that were asked for.
async fn counted(authority: &Authority, request: Request) -> Result<(Asked, Vec<CallCount>), No> {
    let (head, _) = request.into_parts();
    let arrival = head.extensions.get::<Arc<Arrival>>().cloned();
    let arrival = arrival.ok_or_else(|| No::of(StatusCode::INTERNAL_SERVER_ERROR))?;
    let (_, valid) = caller(authority, &head, &arrival, SCOPE).await?;
    let query = Form::parse(head.uri.query().unwrap_or_default().as_bytes());
    let query = query.map_err(|error| No::bad_request(error.to_string()))?;
    let filter = Filter::read(&query)?;
    let (asked, from, before) = stretch(&query)?;
    let mut calls = authority.call_counts(&valid, from, before).await?;
    calls.retain(|call| filter.admits(call));
    Ok((asked, calls))
}

fn stretch(query: &Form) -> Result<(Asked, Instant, Instant), No> {
    let moment = |name: &str| {
        let missing = || No::bad_request(format!("{name}: a date such as 2030-01-31 is needed"));
        let text = query.get(name).ok_or_else(missing)?;
        let at = time(text).ok_or_else(missing)?;
        Ok::<_, No>((text.to_owned(), at))
    };
    let ((from, start), (to, end)) = (moment("from")?, moment("to")?);
    if end < start {
        return Err(No::bad_request("to: it is before from"));
    }
    Ok((Asked { from, to }, start, end))
}

/// Lists separated by commas; what is not asked for is not looked at.
#[derive(Debug, Default)]
struct Filter {
    keys: Option<Vec<String>>,
    paths: Option<Vec<String>>,
    verbs: Option<Vec<String>>,
    statuses: Option<Vec<u16>>,
    /// The whole list, since what programs call themselves has commas in it.
    agents: Option<String>,
}

impl Filter {
    fn read(query: &Form) -> Result<Self, No> {
        let list = |name: &str| {
            let list = query.get(name)?;
            Some(list.split(',').map(|item| item.trim().to_owned()).collect())
        };
        let statuses: Option<Vec<String>> = list("statusCodes");
        let statuses = statuses.map(|codes| {
            let codes = codes.iter().map(|code| code.parse::<u16>());
            codes.collect::<Result<Vec<_>, _>>()
        });
        let statuses = statuses.transpose();
        Ok(Self {
            keys: list("apiKeys"),
            paths: list("paths"),
            verbs: list("verbs"),
            statuses: statuses
                .map_err(|_| No::bad_request("statusCodes: expected numbers such as 200,404"))?,
            agents: query.get("userAgents").map(str::to_owned),
        })
    }

    fn admits(&self, call: &CallCount) -> bool {
        let any = |list: &Option<Vec<String>>, fits: &dyn Fn(&str) -> bool| {
            list.as_ref()
                .is_none_or(|list| list.iter().any(|item| fits(item)))
        };
        let id = call.key.to_string();
        any(&self.keys, &|key| key.eq_ignore_ascii_case(&id))
            && any(&self.paths, &|path| is_on(&call.path, path))
            && any(&self.verbs, &|verb| verb == call.verb)
            && self
                .statuses
                .as_ref()
                .is_none_or(|list| list.contains(&call.status))
            && self
                .agents
                .as_ref()
                .is_none_or(|list| lists(list, &call.agent))
    }
}

/// Whether a path is on a route; the list has it with or without the first slash.
fn is_on(template: &str, path: &str) -> bool {
    let mut template = template.trim_start_matches('/').split('/');
    let mut path = path.trim_start_matches('/').split('/');
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            (Some(part), Some(asked)) if part == asked || part.starts_with('{') => {}
            _ => return false,
        }
    }
}

/// Whether a list separated by commas has a name that may have commas itself.
fn lists(list: &str, name: &str) -> bool {
    format!(",{list},").contains(&format!(",{name},"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_programs_may_have_commas_in_their_names() {
        let browser = "Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Safari/537.36";
        let list = format!("python-requests/2.20.0,{browser}");
        assert!(lists(&list, "python-requests/2.20.0"));
        assert!(lists(&list, browser));
        assert!(!lists(&list, "python-requests/2.20"));
        assert!(!lists(&list, "KHTML"));
    }

    #[test]
    fn a_path_is_on_its_route() {
        for (template, path, expected) in [
            ("/admin/v2/apiKeys", "/admin/v2/apiKeys", true),
            ("/admin/v2/apiKeys", "admin/v2/apiKeys", true),
            ("/admin/v2/apiKeys/{id}", "admin/v2/apiKeys/17", true),
            ("/admin/v2/apiKeys/{id}", "/admin/v2/apiKeys/{id}", true),
            ("/admin/v2/apiKeys/{id}", "/admin/v2/apiKeys", false),
            ("/admin/v2/apiKeys", "/admin/v2/apiKeys/17", false),
            (
                "/admin/v2/apiKeys/{id}",
                "/admin/v2/apiKeys/17/refresh",
                false,
            ),
        ] {
            assert_eq!(is_on(template, path), expected, "{template} {path}");
        }
    }
}
