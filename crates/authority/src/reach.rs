//! What keys, people and groups reach among the data of a product, and whether an organization enforces it.
//!
//! Every reach is a setting of the organization, kept whether or not it is enforced, so that one is given to everybody before the
//! switch is turned. A row that was edited by hand reaches nothing, and a switch that was edited counts as on.

use std::sync::Arc;

use credential::access::{Allowed, Rights};
use credential::id::{GroupId, KeyId, OrganizationId, UserId};
use credential::key::{Denial, Key};
use credential::organization::User;
use credential::reach::Reach;
use credential::role::ProductName;
use store::keys::{KeyFilter, KeyOrder, KeyPlace};
use store::settings::Setting;
use store::{Fault, Found, View};

use crate::Authority;
use crate::act::{Done, MAX_PAGE, gives_nothing, hidden};
use crate::caller::{Caller, Need};
use crate::catalog::{OwnerRule, Product};
use crate::failure::{Failure, Refusal};
use crate::keys::{UPDATE, need_on, place_after};
use crate::organizations::settings_need;
use crate::roles::MAX_PREVIEW;
use crate::world::World;

/// The setting that says whether an organization enforces reaches.
pub(crate) const ENFORCED: &str = "enforce_reach";
/// How the names of the settings begin that hold reaches.
const PREFIX: &str = "reach:";

/// Whose reach it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reacher {
    /// A key's.
    Key(KeyId),
    /// A person's own.
    User(UserId),
    /// A group's, which its members have with it.
    Group(GroupId),
}

impl Reacher {
    /// The name of its setting.
    pub(crate) fn name(self) -> String {
        match self {
            Reacher::Key(id) => format!("{PREFIX}key:{id}"),
            Reacher::User(id) => format!("{PREFIX}user:{id}"),
            Reacher::Group(id) => format!("{PREFIX}group:{id}"),
        }
    }

    /// Whose reach a setting of this name holds.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (kind, id) = name.strip_prefix(PREFIX)?.split_once(':')?;
        match kind {
            "key" => id.parse().ok().map(Reacher::Key),
            "user" => id.parse().ok().map(Reacher::User),
            "group" => id.parse().ok().map(Reacher::Group),
            _ => None,
        }
    }
}

/// Who would reach less where reaches are enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachPreview {
    /// Keys, in the order of their ids.
    pub keys: Vec<Cut<KeyId>>,
    /// People, in the order of their ids; told with the first part only.
    pub users: Vec<Cut<UserId>>,
    /// Where the next part begins, if not all keys were looked at.
    pub next: Option<KeyId>,
}

/// What one of them would no longer reach, or not all of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut<Id> {
    /// Who.
    pub id: Id,
    /// What people call them.
    pub name: String,
    /// The product.
    pub product: ProductName,
    /// Kinds of resource of which they would reach those that are listed only.
    pub limited: Vec<String>,
    /// Kinds of resource of which they would reach nothing.
    pub lost: Vec<String>,
}

impl Authority {
    /// The reach of a key, a person or a group, as it is kept; empty where nobody gave one.
    pub async fn reach(&self, caller: &Caller, of: Reacher) -> Result<Reach, Failure> {
        let organization = self.permit_reach(caller, of, false).await?;
        let kept = self
            .store()
            .view::<_, Fault>(move |view| view.setting(&of.name(), Some(organization)))
            .await?;
        Ok(kept.map(|found| read(&found)).unwrap_or_default())
    }

    /// Gives a key, a person or a group another reach. What it may list are resources of kinds that `product` scopes; what
    /// it reached of other kinds goes. Who is bound by a reach gives no more than that, enforced or not.
    pub async fn set_reach(
        &self,
        caller: &Caller,
        of: Reacher,
        product: &ProductName,
        reach: Reach,
    ) -> Result<Done<Reach>, Failure> {
        let organization = self.permit_reach(caller, of, true).await?;
        let world = self.world();
        let product = world.product(product).ok_or(Refusal::NotFound("product"))?;
        if reach
            .kinds()
            .any(|kind| !product.reach_kinds.contains(kind))
        {
            let why = "this product scopes no resources of that kind";
            return Err(Refusal::invalid("reach", why).into());
        }
        // Nobody gives away more than they reach themselves.
        if let Some(own) = self.own_reach(caller, &world).await?
            && !reach.is_within(&own)
        {
            return Err(Refusal::Ceiling("this reach".to_owned()).into());
        }
        let needs = vec![match of {
            Reacher::Key(id) => need_on(UPDATE, &self.stored_key(id).await?),
            Reacher::User(_) | Reacher::Group(_) => Need {
                scope: crate::users::WRITE,
                organization,
                product: None,
            },
        }];
        let value =
            serde_json::to_string(&reach).map_err(|error| Fault::Shape(error.to_string()))?;
        self.act(caller, needs, gives_nothing, move |change| {
            let version = version_of(change.setting(&of.name(), Some(organization))?);
            let setting = Setting {
                name: of.name(),
                organization: Some(organization),
                value: value.clone(),
                version,
            };
            change.put_setting(setting, "{}")?;
            Ok(reach.clone())
        })
        .await
    }

    /// Who would reach less than now if the organization enforced reaches. One call looks at [`MAX_PREVIEW`] keys; `after`
    /// is where the call before says that it goes on.
    pub async fn preview_reach(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        after: Option<KeyId>,
    ) -> Result<ReachPreview, Failure> {
        self.permit(caller, &settings_need(organization)).await?;
        let world = self.world();
        let mut preview = ReachPreview {
            keys: Vec::new(),
            users: Vec::new(),
            next: None,
        };
        if after.is_none() {
            let mut users: Vec<&Arc<User>> = world
                .users
                .values()
                .filter(|user| user.organization == organization)
                .collect();
            users.sort_by_key(|user| user.id);
            for (user, product) in users
                .iter()
                .flat_map(|user| world.products.values().map(move |product| (user, product)))
            {
                let rights = world.given_rights(product, user);
                let reach = world.reach_of_user(user);
                let cut = world.cut(product, &rights, &reach);
                preview.users.extend(cut.map(|(limited, lost)| Cut {
                    id: user.id,
                    name: user.name.as_str().to_owned(),
                    product: product.name.clone(),
                    limited,
                    lost,
                }));
            }
        }
        let filter = KeyFilter {
            unrevoked: true,
            ..KeyFilter::of(organization)
        };
        let mut place = after.map(|id| KeyPlace {
            id,
            name: String::new(),
        });
        for _ in 0..MAX_PREVIEW / MAX_PAGE {
            let (filter, from) = (filter.clone(), place.clone());
            let page = self
                .store()
                .view(move |view| {
                    view.keys_page(&filter, KeyOrder::Oldest, from.as_ref(), MAX_PAGE)
                })
                .await?;
            let full = page.len() == MAX_PAGE;
            place = place_after(&page);
            for key in page.into_iter().filter_map(Found::good) {
                let Some(product) = world.product(&key.product) else {
                    continue;
                };
                let cut = world.cut(product, &world.worth(&key), &world.reach_of_key(&key));
                preview.keys.extend(cut.map(|(limited, lost)| Cut {
                    id: key.id,
                    name: key.name.as_str().to_owned(),
                    product: key.product.clone(),
                    limited,
                    lost,
                }));
            }
            if !full || place.is_none() {
                return Ok(preview);
            }
        }
        preview.next = place.map(|place| place.id);
        Ok(preview)
    }

    /// Whether the caller may see, or change, the reach; gives whose organization it is.
    async fn permit_reach(
        &self,
        caller: &Caller,
        of: Reacher,
        write: bool,
    ) -> Result<OrganizationId, Failure> {
        match of {
            Reacher::Key(id) => {
                let key = self.key(caller, id).await?;
                if write {
                    self.permit_on(caller, UPDATE, &key).await?;
                }
                Ok(key.organization)
            }
            Reacher::User(id) => {
                let user = self.user(caller, id).await?;
                Ok(user.organization)
            }
            Reacher::Group(id) => {
                let group = self.group(caller, id).await?;
                let read = Need {
                    scope: crate::users::READ,
                    organization: group.organization,
                    product: None,
                };
                self.permit(caller, &read)
                    .await
                    .map_err(|refusal| hidden(refusal, "group"))?;
                Ok(group.organization)
            }
        }
    }

    /// What the calling key reaches itself; `None` for who is bound by nothing.
    async fn own_reach(&self, caller: &Caller, world: &World) -> Result<Option<Reach>, Failure> {
        let Some(id) = caller.key() else {
            return Ok(None);
        };
        let live = self.live(id).await?.map_err(Refusal::Unauthenticated)?;
        let product = world.product(&live.key.product);
        let bound = product.is_some_and(|product| {
            !product.reach_kinds.is_empty() && !is_unbounded(product, &live.rights)
        });
        Ok(bound.then(|| world.reach_of_key(&live.key)))
    }
}

impl World {
    /// Whether an organization enforces reaches.
    pub fn enforces_reach(&self, organization: OrganizationId) -> bool {
        self.enforcing.contains(&organization)
    }

    /// What a key reaches; where its product says that it never has more than its owner, what that person reaches too is
    /// all of it.
    pub(crate) fn reach_of_key(&self, key: &Key) -> Reach {
        let kept = |of| self.reaches.get(&of).map(|reach| Reach::clone(reach));
        let own = kept(Reacher::Key(key.id)).unwrap_or_default();
        let live = self
            .product(&key.product)
            .is_some_and(|product| product.owner == OwnerRule::Live);
        match key.owner.and_then(|owner| self.user(owner)) {
            Some(owner) if live => own.common(&self.reach_of_user(owner)),
            _ => own,
        }
    }

    /// What a person reaches: by themselves, and by their groups.
    pub fn reach_of_user(&self, user: &User) -> Reach {
        let groups = self.groups_of(user);
        let of_groups = groups.iter().map(|group| Reacher::Group(group.id));
        let reachers = std::iter::once(Reacher::User(user.id)).chain(of_groups);
        let reaches: Vec<&Reach> = reachers
            .filter_map(|of| self.reaches.get(&of).map(|reach| &**reach))
            .collect();
        Reach::together(reaches)
    }

    /// Whether a key reaches what a request names, as far as its organization enforces that.
    pub(crate) fn must_reach(
        &self,
        key: &Key,
        rights: &Rights,
        resource: Option<&str>,
    ) -> Result<(), Denial> {
        let Some(resource) = resource.filter(|_| self.enforces_reach(key.organization)) else {
            return Ok(());
        };
        let Some(product) = self.product(&key.product) else {
            return Ok(());
        };
        let kind = resource.split(':').next().unwrap_or_default();
        let free = !product.reach_kinds.contains(kind) || is_unbounded(product, rights);
        match free || self.reach_of_key(key).allows(resource) {
            true => Ok(()),
            false => Err(Denial::Resource),
        }
    }

    /// What somebody with these rights would reach only partly, or not at all; `None` where they lose nothing.
    fn cut(
        &self,
        product: &Product,
        rights: &Rights,
        reach: &Reach,
    ) -> Option<(Vec<String>, Vec<String>)> {
        if rights.is_empty() || is_unbounded(product, rights) {
            return None;
        }
        let (mut limited, mut lost) = (Vec::new(), Vec::new());
        for kind in &product.reach_kinds {
            match reach.area(kind) {
                _ if reach.is_whole(kind) => {}
                Some(area) if !area.listed.is_empty() => limited.push(kind.clone()),
                _ => lost.push(kind.clone()),
            }
        }
        (!limited.is_empty() || !lost.is_empty()).then_some((limited, lost))
    }

    /// Takes over what a setting of an organization says of reaches; `None` is a row that is gone.
    pub(crate) fn put_reach(
        &mut self,
        organization: OrganizationId,
        name: &str,
        found: Option<&Found<Setting>>,
    ) {
        if name == ENFORCED {
            let enforcing = Arc::make_mut(&mut self.enforcing);
            match found.is_some_and(is_on) {
                true => enforcing.insert(organization),
                false => enforcing.remove(&organization),
            };
        } else if let Some(of) = Reacher::named(name) {
            let reaches = Arc::make_mut(&mut self.reaches);
            match found {
                Some(found) => reaches.insert(of, Arc::new(read(found))),
                None => reaches.remove(&of),
            };
        }
    }
}

/// Whether rights hold a scope that the catalog marks as bound by no reach.
fn is_unbounded(product: &Product, rights: &Rights) -> bool {
    let mut unbounded = product.scopes.iter().filter(|(_, entry)| entry.unbounded);
    unbounded.any(|(scope, _)| rights.allows(scope, None) == Allowed::Yes)
}

/// Whether the switch is on. One that was edited by hand is.
pub(crate) fn is_on(found: &Found<Setting>) -> bool {
    match found {
        Found::Good(setting) => setting.value == "true",
        Found::Tampered(_) => true,
    }
}

/// What a row says. One that was edited by hand says nothing.
fn read(found: &Found<Setting>) -> Reach {
    match found {
        Found::Good(setting) => serde_json::from_str(&setting.value).unwrap_or_default(),
        Found::Tampered(_) => Reach::default(),
    }
}

fn version_of(found: Option<Found<Setting>>) -> i64 {
    match found {
        Some(Found::Good(setting)) => setting.version,
        Some(Found::Tampered(_)) | None => 0,
    }
}

/// Every setting that is about reaches, for a world that is read whole. One that was edited by hand counts as
/// [`World::put_reach`] says, and hides none behind it.
pub(crate) fn read_all(view: &View<'_>, world: &mut World) -> Result<(), Fault> {
    let mut after: Option<String> = None;
    loop {
        let page = view.settings_page(after.as_deref(), MAX_PAGE)?;
        for found in &page {
            let id = match found {
                Found::Good(setting) => setting.id(),
                Found::Tampered(subject) => subject.id.clone(),
            };
            if let Some((name, organization)) = parts(&id) {
                world.put_reach(organization, name, Some(found));
            }
            after = Some(id);
        }
        if page.len() < MAX_PAGE {
            return Ok(());
        }
    }
}

/// The name and the organization in the id of a setting.
pub(crate) fn parts(id: &str) -> Option<(&str, OrganizationId)> {
    let (name, organization) = id.rsplit_once('@')?;
    Some((name, organization.parse().ok()?))
}
