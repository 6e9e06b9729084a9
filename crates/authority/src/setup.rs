//! The first start: one single-use token makes the first administrator, and nothing else does.
//!
//! The store keeps one digest, of the token that was printed last. A token is refused once anybody administers the
//! server, however it was come by, and of two that are used at the same moment one finds the other's administrator.

use std::net::IpAddr;

use credential::event::{Action, Actor, Subject, SubjectKind};
use credential::grant::{Resources, RoleGrant};
use credential::id::{OrganizationId, RoleId, UserId};
use credential::key::{Addresses, Denial, Key, Kind};
use credential::name::{Comment, Name};
use credential::organization::{Email, Organization, OrganizationKind, User};
use credential::password::Password;
use credential::secret::{Digest, Secret};
use credential::time::{Instant, Span};
use credential::token::{self, Word};
use store::setup::SetupToken;
use store::{Change, Fault, Found, View};

use crate::Authority;
use crate::act::MAX_PAGE;
use crate::caller::Caller;
use crate::catalog::hex;
use crate::failure::{Failure, Refusal};
use crate::keys::{CreateKey, Expiry, Shown, Wish};
use crate::organizations::{NUMBERS, OPERATOR};
use crate::users::{administrator_role, last_id, latchkey};

/// How long a set-up token is good: long enough to copy it from the console, short enough to be forgotten there.
pub const SETUP_LIFE: Span = Span::from_hours(1);

/// What the first administrator says.
#[derive(Debug, Clone)]
pub struct SetUp {
    /// The name of the operator's organization.
    pub organization: Name,
    /// The administrator's address.
    pub email: Email,
    /// The administrator's name.
    pub name: Name,
}

/// The first administrator, with a first key.
pub struct FirstAdministrator {
    /// The operator's organization.
    pub organization: Organization,
    /// The administrator.
    pub user: User,
    /// The key.
    pub key: Key,
    /// The key's secret, shown once.
    pub shown: Shown,
    /// The number of the change.
    pub revision: i64,
}

/// What the first change writes, and by which token.
struct First {
    token: String,
    digest: Digest,
    role: RoleId,
    organization: Organization,
    user: User,
    now: Instant,
}

impl Authority {
    /// Whether the first organization is there, and with it somebody who administers the server.
    pub fn is_set_up(&self) -> bool {
        !self.world().organizations.is_empty()
    }

    /// A fresh set-up token in place of every earlier one; `None` once somebody administers the server.
    pub async fn begin_setup(&self) -> Result<Option<Secret>, Failure> {
        let now = self.now();
        let Some(role) = administrator_role(&self.world()) else {
            return Ok(None);
        };
        let id: [u8; 16] = self.entropy().draw()?;
        let token = token::mint(Word::Setup, &id, 0, &self.entropy().draw()?, &self.tags());
        let kept = SetupToken {
            id: hex(&id),
            digest: *token.digest().as_bytes(),
            expires_at: now + SETUP_LIFE,
            used_at: None,
        };
        let kept = self
            .store()
            .change(
                Actor::SYSTEM,
                now,
                |_| Ok::<(), Failure>(()),
                move |change| {
                    let open = administrators(change, role, 1)? == 0;
                    if open {
                        change.put_setup_token(&kept)?;
                    }
                    Ok::<bool, Failure>(open)
                },
            )
            .await?;
        Ok(kept.value.then_some(token))
    }

    /// Makes the operator's organization, its first administrator, and a key of theirs.
    pub async fn complete_setup(
        &self,
        presented: &str,
        command: SetUp,
        address: Option<IpAddr>,
        request_id: &str,
    ) -> Result<FirstAdministrator, Failure> {
        let first = self.first(presented, command)?;
        let wanted = CreateKey {
            organization: None,
            product: latchkey()?,
            kind: Kind::Static,
            name: Name::new("First key").map_err(|error| Refusal::invalid("name", error))?,
            comment: Comment::default(),
            grants: Wish {
                roles: vec![(first.role, Resources::All)],
                scopes: Vec::new(),
            },
            addresses: Addresses::default(),
            limits: Vec::new(),
            expiry: Expiry::Default,
            owner: None,
        };
        let organization = first.organization.id;
        let shell = Caller::shell(organization);
        let mut draft = self.draft(&shell, organization, wanted, first.now)?;
        // The person exists from this transaction on, so no draft could name them.
        draft.key.owner = Some(first.user.id);
        let (user, key) = (first.user.clone(), draft.key.clone());
        let new_key = key.clone();
        let (organization, revision) = self
            .settle_first(first, address, request_id, move |change| {
                change.insert_key(&new_key, draft.unique_name, Action::KeyCreated, "{}")
            })
            .await?;
        Ok(FirstAdministrator {
            organization,
            user,
            key,
            shown: draft.shown,
            revision,
        })
    }

    /// The same for somebody who is at a browser: they sign in by this password from then on, and no key is made.
    pub async fn complete_setup_by_password(
        &self,
        presented: &str,
        command: SetUp,
        password: Password,
        address: Option<IpAddr>,
        request_id: &str,
    ) -> Result<User, Failure> {
        let first = self.first(presented, command)?;
        password
            .may_be_of(&first.user.email)
            .map_err(|error| Refusal::invalid("password", error))?;
        let hash = self.hashed(password).await?;
        let (user, id) = (first.user.clone(), first.user.id);
        self.settle_first(first, address, request_id, move |change| {
            change.set_password(id, &hash)
        })
        .await?;
        Ok(user)
    }

    /// What is to be written, if the token is what it says: whether it was given out is found where it is used.
    fn first(&self, presented: &str, command: SetUp) -> Result<First, Failure> {
        let unknown = || Failure::from(Refusal::Unauthenticated(Denial::Unknown));
        let parsed = token::parse(presented, &self.tags())
            .ok()
            .filter(|parsed| parsed.word == Word::Setup);
        let token = hex(&parsed.ok_or_else(unknown)?.id);
        let role = administrator_role(&self.world()).ok_or_else(unknown)?;
        let now = self.now();
        let organization = Organization {
            id: OrganizationId::mint(now, self.entropy().draw()?),
            number: OPERATOR,
            name: command.organization,
            kind: OrganizationKind::Standalone,
            parent: None,
            active: true,
            created_at: now,
            version: 1,
        };
        let user = User {
            id: UserId::mint(now, self.entropy().draw()?),
            organization: organization.id,
            email: command.email,
            name: command.name,
            roles: vec![RoleGrant {
                role,
                resources: Resources::All,
            }],
            active: true,
            created_at: now,
            version: 1,
        };
        Ok(First {
            token,
            digest: Digest::of(presented),
            role,
            organization,
            user,
            now,
        })
    }

    /// Uses the token up and writes the first organization, its administrator, and by `means` what they prove themselves
    /// with: all of it or nothing.
    async fn settle_first(
        &self,
        first: First,
        address: Option<IpAddr>,
        request_id: &str,
        means: impl Fn(&mut Change<'_>) -> Result<(), Fault> + Send + 'static,
    ) -> Result<(Organization, i64), Failure> {
        let actor = Actor {
            address,
            request_id: Some(request_id.to_owned()),
            ..Actor::SETUP
        };
        let (role, now) = (first.role, first.now);
        let only_one = move |view: &View<'_>| match administrators(view, role, 2)? {
            1 => Ok(()),
            _ => Err(already()),
        };
        let changed = self
            .store()
            .change(actor, now, only_one, move |change| {
                let token = good_token(change, &first.token, &first.digest, now)?;
                if administrators(change, role, 1)? > 0 {
                    return Err(already());
                }
                change.use_setup_token(&token)?;
                let number = change.next_number(NUMBERS)?;
                if number != OPERATOR {
                    return Err(Refusal::Conflict(
                        "organizations were made before an administrator; use the server's shell"
                            .to_owned(),
                    )
                    .into());
                }
                let organization = &first.organization;
                change.insert_organization(organization, Action::OrganizationCreated, "{}")?;
                change.insert_user(&first.user, Action::UserCreated, "{}")?;
                means(change)?;
                let server = Subject {
                    kind: SubjectKind::Server,
                    id: "setup".to_owned(),
                };
                change.note(Action::ServerSetUp, server, Some(organization.id), "{}");
                Ok(organization.clone())
            })
            .await?;
        let revision = self.settle(&changed).await?;
        Ok((changed.value, revision))
    }
}

fn already() -> Failure {
    Refusal::Conflict("the server is set up: it has an administrator".to_owned()).into()
}

fn good_token(
    change: &mut Change<'_>,
    id: &str,
    digest: &Digest,
    now: Instant,
) -> Result<SetupToken, Failure> {
    let refused = |denial| Failure::from(Refusal::Unauthenticated(denial));
    let Some(found) = change.setup_token(id)? else {
        return Err(refused(Denial::Unknown));
    };
    let Found::Good(token) = found else {
        return Err(refused(Denial::Tampered));
    };
    // State is told only to who holds the token.
    if Digest::from_bytes(token.digest) != *digest {
        return Err(refused(Denial::Unknown));
    }
    if token.used_at.is_some() {
        return Err(already());
    }
    if now >= token.expires_at {
        return Err(refused(Denial::Expired));
    }
    Ok(token)
}

/// How many people hold the administrator's role, counted up to `enough`.
fn administrators(view: &View<'_>, role: RoleId, enough: usize) -> Result<usize, Failure> {
    let (mut count, mut after) = (0, None);
    loop {
        let page = view.users_page(None, after, MAX_PAGE)?;
        let full = page.len() == MAX_PAGE;
        after = last_id(&page);
        for found in page {
            // Who was edited by hand may have been one: that opens no second set-up.
            count += usize::from(match found {
                Found::Good(user) => user.roles.iter().any(|grant| grant.role == role),
                Found::Tampered(_) => true,
            });
            if count >= enough {
                return Ok(count);
            }
        }
        if !full || after.is_none() {
            return Ok(count);
        }
    }
}
