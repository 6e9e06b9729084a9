//! Between their words and ours.

use authority::World;
use authority::catalog::Product;
use authority::keys::{Expiry, Wish};
use credential::grant::{Resources, RoleGrant};
use credential::id::RoleId;
use credential::key::{ExpiryChange, Key};
use credential::name::Name;
use credential::role::Role;
use credential::time::{Instant, Term};
use jiff::Timestamp;

use super::refuse::No;
use super::wire::{self, EVERY_ACCOUNT, RoleWanted, Wanted};

/// The kind of resource that an account is.
const ACCOUNT: &str = "account";

/// What a body wants, in our words; every member is checked.
pub(super) struct Meant {
    pub(super) name: Option<Name>,
    pub(super) grants: Option<Wish>,
    /// `None` where nothing is said.
    pub(super) until: Option<Until>,
}

/// Until when, as people choose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Until {
    At(Instant),
    For(Term),
}

impl Meant {
    /// Reads a body.
    pub(super) fn read(wanted: Wanted, product: &Product) -> Result<Self, No> {
        let wrong =
            |member: &str, why: &dyn std::fmt::Display| No::bad_request(format!("{member}: {why}"));
        let name = wanted.name.as_deref().map(Name::new).transpose();
        let name = name.map_err(|why| wrong("name", &why))?;
        let until = match (wanted.expiration_days, wanted.expires_at, wanted.period) {
            (None, None, None) => None,
            (Some(days), None, None) => Some(Until::For(Term::Days(days))),
            (None, Some(text), None) => Some(Until::At(moment(&text)?)),
            (None, None, Some(name)) => match product.period(&name) {
                Some(period) => Some(Until::For(period.term)),
                None => {
                    return Err(wrong(
                        "period",
                        &"there is no such period; GET /api/v1/rome/periods lists them",
                    ));
                }
            },
            _ => {
                return Err(wrong(
                    "expires_at",
                    &"name one of expiration_days, expires_at and period",
                ));
            }
        };
        let grants = match wanted.roles {
            None => None,
            Some(roles) if roles.is_empty() => {
                return Err(wrong("roles", &"must name at least one"));
            }
            Some(roles) => {
                let given = roles.into_iter().map(|role| given(role, product));
                Some(Wish {
                    roles: given.collect::<Result<_, _>>()?,
                    scopes: Vec::new(),
                })
            }
        };
        Ok(Self {
            name,
            grants,
            until,
        })
    }
}

impl Until {
    /// The expiry of a key that is made.
    pub(super) fn expiry(self) -> Expiry {
        match self {
            Until::At(at) => Expiry::At(at),
            Until::For(term) => Expiry::In(term),
        }
    }

    /// The new expiry of a key, counted from `now`.
    pub(super) fn change(self, now: Instant) -> ExpiryChange {
        ExpiryChange::At(match self {
            Until::At(at) => at,
            Until::For(term) => term.after(now),
        })
    }
}

/// A role with what it reaches. Which roles ask for accounts by name is in the catalog; the others reach all.
fn given(wanted: RoleWanted, product: &Product) -> Result<(RoleId, Resources), No> {
    let RoleWanted {
        role: word,
        accounts,
    } = wanted;
    let known = product.roles.iter().find(|role| word_of(role) == word);
    let role = known.ok_or_else(|| {
        No::bad_request("roles: there is no such role; GET /api/v1/rome/roles lists them")
    })?;
    let everything = |accounts: &[String]| accounts == [EVERY_ACCOUNT];
    let resources = match (product.named_reach.contains(&role.id), accounts) {
        (_, Some(accounts)) if everything(&accounts) => Resources::All,
        (false, None) => Resources::All,
        (false, Some(_)) => {
            return Err(No::bad_request(format!(
                "roles: {word} reaches every account"
            )));
        }
        (true, None) => {
            return Err(No::bad_request(format!(
                "roles: {word} needs accounts: at least one, or \"*\" for all"
            )));
        }
        (true, Some(accounts)) if accounts.iter().any(|account| account == EVERY_ACCOUNT) => {
            return Err(No::bad_request(
                "roles: \"*\" stands for all accounts, alone",
            ));
        }
        (true, Some(accounts)) => Resources::listed(ACCOUNT, accounts)
            .map_err(|why| No::bad_request(format!("roles: {word}: {why}")))?,
    };
    Ok((role.id, resources))
}

/// A role's word: its name in lower case, with `_` between.
pub(super) fn word_of(role: &Role) -> String {
    role.name.as_str().to_lowercase().replace(' ', "_")
}

/// A key as it is shown.
pub(super) fn key(world: &World, key: &Key, jwt: Option<String>) -> wire::Key {
    let held = |grant: &RoleGrant| {
        let role = world.role(grant.role)?;
        Some(wire::RoleHeld {
            role: word_of(role),
            name: role.name.as_str().to_owned(),
            accounts: match &grant.resources {
                Resources::All => vec![EVERY_ACCOUNT.to_owned()],
                Resources::Listed(listed) => listed.ids().iter().cloned().collect(),
            },
        })
    };
    wire::Key {
        id: key.id.to_string(),
        name: key.name.as_str().to_owned(),
        roles: key.grants.roles().iter().filter_map(held).collect(),
        created_at: written(key.created_at),
        expires_at: key.expires_at.map(written),
        jwt,
    }
}

/// A time as RFC 3339 writes it.
fn moment(text: &str) -> Result<Instant, No> {
    match text.parse::<Timestamp>() {
        Ok(at) => Ok(Instant::from_millis(at.as_millisecond())),
        Err(_) => Err(No::bad_request(
            "expires_at: expected a time such as 2030-01-31T00:00:00Z",
        )),
    }
}

fn written(at: Instant) -> String {
    Timestamp::from_millisecond(at.millis())
        .map(|at| at.to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: Result<&str, &str>) {
        let products = Product::built_in().unwrap();
        let product = products
            .iter()
            .find(|product| product.name.as_str() == super::super::PRODUCT)
            .unwrap();
        let read = serde_json::from_str::<Wanted>(body)
            .map_err(|error| error.to_string())
            .and_then(|wanted| Meant::read(wanted, product).map_err(|no| format!("{no:?}")))
            .map(|meant| {
                let reach = |(_, resources): &(RoleId, Resources)| match resources {
                    Resources::All => "*".to_owned(),
                    Resources::Listed(listed) => {
                        listed.ids().iter().cloned().collect::<Vec<_>>().join(",")
                    }
                };
                let roles: Vec<String> = meant
                    .grants
                    .iter()
                    .flat_map(|wish| wish.roles.iter().map(reach))
                    .collect();
                format!("{} {:?}", roles.join(" "), meant.until)
            });
        match expected {
            Ok(told) => assert_eq!(read.as_deref(), Ok(told), "{body}"),
            Err(part) => assert!(
                read.as_ref().is_err_and(|why| why.contains(part)),
                "{body}: {read:?}"
            ),
        }
    }

    #[test]
    fn a_role_that_asks_for_accounts_is_never_given_without() {
        let role = |role: &str| format!(r#"{{"name":"n","roles":[{role}]}}"#);
        check(
            &role(r#"{"role":"cloud_account_viewer","accounts":["b","a","a"]}"#),
            Ok("a,b None"),
        );
        check(
            &role(r#"{"role":"cloud_account_viewer","accounts":["*"]},{"role":"global_viewer"}"#),
            Ok("* * None"),
        );
        check(
            &role(r#"{"role":"global_admin","accounts":["*"]}"#),
            Ok("* None"),
        );
        check(
            &role(r#"{"role":"cloud_account_viewer"}"#),
            Err("needs accounts"),
        );
        check(
            &role(r#"{"role":"cloud_account_viewer","accounts":null}"#),
            Err("needs accounts"),
        );
        check(
            &role(r#"{"role":"cloud_account_viewer","accounts":[]}"#),
            Err("at least one"),
        );
        check(
            &role(r#"{"role":"cloud_account_viewer","accounts":["a","*"]}"#),
            Err("alone"),
        );
        check(
            &role(r#"{"role":"cloud_account_viewer","accounts":[""]}"#),
            Err("1 to 256"),
        );
        check(
            &role(r#"{"role":"global_viewer","accounts":["a"]}"#),
            Err("reaches every account"),
        );
        check(
            &role(r#"{"role":"global_viewer","account":["a"]}"#),
            Err("unknown field"),
        );
        check(&role(r#"{"role":"king"}"#), Err("no such role"));
        check(&role(""), Err("at least one"));
    }

    #[test]
    fn an_expiry_is_said_once_as_days_a_time_or_a_period() {
        check(r#"{"period":"one Year"}"#, Ok(" Some(For(Months(12)))"));
        check(r#"{"expiration_days":90}"#, Ok(" Some(For(Days(90)))"));
        check(
            r#"{"expires_at":"1970-01-01T00:00:01Z"}"#,
            Ok(" Some(At(Instant(1000)))"),
        );
        check("{}", Ok(" None"));
        check(r#"{"period":"forever"}"#, Err("no such period"));
        check(r#"{"expires_at":"tomorrow"}"#, Err("expires_at"));
        check(r#"{"expiration_days":-1}"#, Err("-1"));
        check(
            r#"{"expiration_days":90,"period":"One year"}"#,
            Err("name one of"),
        );
        check(r#"{"expirationDays":90}"#, Err("unknown field"));
    }
}
