//! Callers of the tests: people with roles, and the tokens they call with.

use authority::keys::{Expiry, Outcome};
use authority::organizations::CreateOrganization;
use authority::users::CreateUser;
use authority::verify::Question;
use authority::{Caller, Failure, Refusal};
use credential::grant::Resources;
use credential::id::{OrganizationId, RoleId};
use credential::name::Name;
use credential::organization::{Email, Organization, OrganizationKind, User};

use crate::rig::{Rig, secret};

pub(crate) const ADMINISTRATOR: &str = "00000000-0000-7000-8000-000000010001";
pub(crate) const KEY_MANAGER: &str = "00000000-0000-7000-8000-000000010002";
pub(crate) const VERIFIER: &str = "00000000-0000-7000-8000-000000010004";
pub(crate) const VIEWER: &str = "00000000-0000-7000-8000-000000010006";

pub(crate) fn role(id: &str) -> RoleId {
    id.parse().unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn wanted(email: &str, organization: OrganizationId, roles: &[&str]) -> CreateUser {
    CreateUser {
        organization: Some(organization),
        email: Email::new(email).unwrap(),
        name: name(email.split('@').next().unwrap()),
        roles: roles.iter().map(|id| (role(id), Resources::All)).collect(),
    }
}

/// A person with built-in roles, and a caller with the person's token.
pub(crate) async fn person(
    rig: &Rig,
    email: &str,
    organization: OrganizationId,
    roles: &[&str],
) -> (User, Caller) {
    let made = rig
        .authority
        .create_user(&rig.shell(), wanted(email, organization, roles))
        .await
        .unwrap();
    let caller = token_of(rig, &made.value).await;
    (made.value, caller)
}

pub(crate) async fn token_of(rig: &Rig, user: &User) -> Caller {
    let made = rig
        .authority
        .create_user_token(
            &rig.shell(),
            user.id,
            name("token"),
            Expiry::Never,
            None,
            |_| Vec::new(),
        )
        .await
        .unwrap();
    let Outcome::New(issued) = made else {
        panic!("nothing was repeated")
    };
    rig.authority
        .caller(&Question::bearer(secret(&issued)), "request")
        .await
        .unwrap()
        .0
}

pub(crate) async fn organization(rig: &Rig, called: &str, kind: OrganizationKind) -> Organization {
    let command = CreateOrganization {
        name: name(called),
        kind,
        parent: None,
    };
    rig.authority
        .create_organization(&rig.shell(), command)
        .await
        .unwrap()
        .value
}

#[track_caller]
pub(crate) fn refused<T>(result: Result<T, Failure>) -> Refusal {
    match result {
        Err(Failure::Refused(refusal)) => refusal,
        Err(Failure::Fault(fault)) => panic!("a fault and no refusal: {fault}"),
        Ok(_) => panic!("it was not refused"),
    }
}
