//! Access tokens that people buy with their password, for a short while and for themselves.
//!
//! Each is issued for the person's own key of the product ([`crate::keys`], `own`), so that everything which holds for tokens
//! of keys holds for it: it is worth no more than the person is now, it ends with them, and it can be revoked.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use credential::event::{Action, Actor, Subject, SubjectKind};
use credential::id::{OrganizationId, TokenId, UserId};
use credential::key::{Ask, Denial, Maker, Verdict, decide};
use credential::name::ProductName;
use credential::organization::{Email, User};
use credential::password::Password;
use store::change::NO_DETAIL;
use store::{Fault, Issue};

use super::{IssuedToken, Written};
use crate::Authority;
use crate::catalog::Product;
use crate::failure::{Failure, Refusal};
use crate::keys::{own_grants, own_key_id};
use crate::passwords::{NotSignedIn, SignIn};

/// A person who asks for a token by their password.
#[derive(Debug, Clone, Copy)]
pub struct SignedIn<'a> {
    /// Their address.
    pub email: &'a Email,
    /// What they typed.
    pub password: &'a str,
    /// The product that the token is for.
    pub product: &'a ProductName,
    /// Where they are to be looked for; `None` is everywhere.
    pub organization: Option<OrganizationId>,
    /// Where the request comes from.
    pub from: Option<IpAddr>,
    /// The request's id, for the audit trail.
    pub request_id: &'a str,
}

/// The generation of a person's own key, and whether the key has all that it shall have.
type Seen = HashMap<UserId, (u32, bool)>;

impl Authority {
    /// Issues a short token of a product to the person whose password this is. Whoever has nothing in the product gets none,
    /// and neither does an address that several people have who do: which of them it is cannot be told.
    pub async fn issue_token_in_person(
        &self,
        asked: SignedIn<'_>,
    ) -> Result<Result<IssuedToken, NotSignedIn>, Failure> {
        self.must_be_fresh()?;
        let world = self.world();
        let product = world
            .product(asked.product)
            .ok_or(Refusal::NotFound("product"))?
            .clone();
        // The key's generation is read before the password is checked: a password that is changed after it was checked
        // ends the token that it buys. A first use makes the key, and begins once more.
        let seen = self.own_keys_of(&asked, &product).await?;
        let user = match self.person(&asked, &product).await? {
            Ok(user) => user,
            Err(no) => return Ok(Err(no)),
        };
        if let Some((generation, true)) = seen.get(&user.id) {
            return self.issue_own(&asked, &product, &user, *generation).await;
        }
        let actor = Actor::of(
            Maker::User(user.id),
            Some(user.organization),
            asked.from,
            asked.request_id,
        );
        self.make_own_key(actor, &user, &product, self.now())
            .await?;
        let seen = self.own_keys_of(&asked, &product).await?;
        match (self.person(&asked, &product).await?, seen.get(&user.id)) {
            (Ok(again), Some((generation, _))) if again.id == user.id => {
                self.issue_own(&asked, &product, &user, *generation).await
            }
            (Err(no), _) => Ok(Err(no)),
            _ => Ok(Err(NotSignedIn::Wrong)),
        }
    }

    /// Whose password it is.
    async fn person(
        &self,
        asked: &SignedIn<'_>,
        product: &Product,
    ) -> Result<Result<User, NotSignedIn>, Failure> {
        let sign_in = SignIn {
            email: asked.email.clone(),
            password: Password::from(asked.password.to_owned()),
            organization: asked.organization,
            from: asked.from,
            request_id: asked.request_id.to_owned(),
        };
        let mut people = match self.check_password(sign_in).await? {
            Ok(people) => people,
            Err(no) => return Ok(Err(no)),
        };
        let world = self.world();
        people.retain(|user| !world.user_rights(product, user.id).is_empty());
        Ok(match people.pop() {
            Some(user) if people.is_empty() => Ok(user),
            _ => Err(NotSignedIn::Wrong),
        })
    }

    /// The own keys of everybody of that address, as the store has them.
    async fn own_keys_of(&self, asked: &SignedIn<'_>, product: &Product) -> Result<Seen, Failure> {
        let grants = own_grants(product)?;
        let (email, name) = (asked.email.clone(), product.name.clone());
        let read = move |view: &store::View<'_>| -> Result<Seen, Fault> {
            let mut seen = Seen::new();
            let people = view.users_by_email(&email, crate::passwords::MAX_PEOPLE)?;
            for user in people.into_iter().filter_map(store::Found::good) {
                let key = view.key(own_key_id(&user, &name))?;
                if let Some(key) = key.and_then(store::Found::good) {
                    seen.insert(user.id, (key.current.generation, key.grants == grants));
                }
            }
            Ok(seen)
        };
        Ok(self.store().view(read).await?)
    }

    async fn issue_own(
        &self,
        asked: &SignedIn<'_>,
        product: &Product,
        user: &User,
        generation: u32,
    ) -> Result<Result<IssuedToken, NotSignedIn>, Failure> {
        let now = self.now();
        let Ok(live) = self.live(own_key_id(user, &product.name)).await? else {
            return Ok(Err(NotSignedIn::Wrong));
        };
        let key = &live.key;
        let ask = Ask {
            from: asked.from,
            ..Ask::default()
        };
        let standing = self.world().standing(key);
        if let Verdict::Denied(_) = decide(key, &live.rights, standing, &ask, now) {
            return Ok(Err(NotSignedIn::Wrong));
        }
        if let Err(retry_after_ms) = self.spend_named(&live, "token").await? {
            return Err(Refusal::Unauthenticated(Denial::Limited { retry_after_ms }).into());
        }
        let life = product.tokens.access_life();
        let until = key.expires_at.map_or(now + life, |end| end.min(now + life));
        let id = TokenId::mint(now, self.entropy().draw()?);
        let scopes: Vec<String> = live
            .scopes
            .iter()
            .map(|scope| scope.as_str().to_owned())
            .collect();
        let client_id = key.id.to_string();
        let written = Written {
            iss: &self.settings().issuer,
            sub: user.id.to_string(),
            aud: product.name.as_str(),
            client_id: &client_id,
            iat: now.seconds(),
            exp: until.seconds(),
            jti: id,
            scope: Some(scopes.join(" ")),
            key_id: key.id,
            generation,
            more: serde_json::Map::new(),
            acts_for: None,
        };
        let token = self.sign_token(product, "at+jwt", &written)?;
        let organization = Some(key.organization);
        let actor = Actor::of(
            Maker::User(user.id),
            organization,
            asked.from,
            asked.request_id,
        );
        let note = move |issue: &mut Issue<'_>| {
            let subject = Subject {
                kind: SubjectKind::Token,
                id: id.to_string(),
            };
            issue.note(Action::TokenIssued, subject, organization, NO_DETAIL);
            Ok::<(), Fault>(())
        };
        self.store().issue(actor, now, note).await?;
        self.note_issue(&live, generation, asked.from, now);
        self.must_be_fresh()?;
        Ok(Ok(IssuedToken {
            token,
            scopes,
            expires_in: until.since(now).seconds(),
            key: Arc::clone(&live),
        }))
    }
}
