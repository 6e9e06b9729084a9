//! Groups: what their members have, and since when no more.

use std::collections::{BTreeMap, BTreeSet};

use authority::groups::{CreateGroup, EditGroup, GroupFilter};
use authority::users::UserFilter;
use authority::{Caller, Failure, Refusal};
use credential::access::Rights;
use credential::event::Action;
use credential::grant::Resources;
use credential::group::{Group, Reach};
use credential::id::{GroupId, OrganizationId, UserId};
use credential::name::{Comment, ProductName};
use credential::organization::{OrganizationKind, User};
use testkit::{Database, Random, with_seed};

use crate::people::{
    ADMINISTRATOR, KEY_MANAGER, VERIFIER, VIEWER, name, organization, person, refused, role,
    token_of, wanted,
};
use crate::rig::{Rig, follow_until};

fn wish(called: &str, roles: &[&str], members: &[UserId], nested: &[GroupId]) -> CreateGroup {
    CreateGroup {
        organization: None,
        name: name(called),
        description: Comment::default(),
        roles: roles.iter().map(|id| (role(id), Resources::All)).collect(),
        members: members.iter().copied().collect(),
        nested: nested.iter().copied().collect(),
        reach: Reach::Own,
    }
}

async fn made(rig: &Rig, wish: CreateGroup) -> Group {
    rig.authority
        .create_group(&rig.shell(), wish)
        .await
        .unwrap()
        .value
}

fn with_members(members: &[UserId]) -> EditGroup {
    EditGroup {
        members: Some(members.iter().copied().collect()),
        ..EditGroup::default()
    }
}

async fn edited(
    rig: &Rig,
    caller: &Caller,
    id: GroupId,
    edit: EditGroup,
) -> Result<Group, Failure> {
    let done = rig.authority.edit_group(caller, id, edit, None).await;
    done.map(|done| done.value)
}

/// A person without roles of their own.
async fn added(rig: &Rig, email: &str) -> User {
    let wanted = wanted(email, rig.organization, &[]);
    let made = rig.authority.create_user(&rig.shell(), wanted).await;
    made.unwrap().value
}

/// Whether the caller may list people.
async fn lists(rig: &Rig, caller: &Caller) -> bool {
    let page = rig.authority.users(caller, UserFilter::default(), None, 10);
    page.await.is_ok()
}

testkit::on_each_engine! {
    async fn a_member_gains_and_loses_rights_at_once(database: Database) {
        let rig = Rig::open(&database).await;
        let shell = rig.shell();
        let ada = added(&rig, "ada@example.com").await;
        let inner = made(&rig, wish("Inner", &[], &[ada.id], &[])).await;
        let middle = made(&rig, wish("Middle", &[], &[], &[inner.id])).await;
        let outer = made(&rig, wish("Outer", &[VIEWER], &[], &[middle.id])).await;
        // The token has what the person has, the roles of the groups with it.
        let caller = token_of(&rig, &ada).await;
        assert!(lists(&rig, &caller).await, "through nested groups");
        edited(&rig, &shell, inner.id, with_members(&[])).await.unwrap();
        assert!(!lists(&rig, &caller).await);
        edited(&rig, &shell, middle.id, with_members(&[ada.id])).await.unwrap();
        assert!(lists(&rig, &caller).await);
        let apart = EditGroup { nested: Some(BTreeSet::new()), ..EditGroup::default() };
        edited(&rig, &shell, outer.id, apart).await.unwrap();
        assert!(!lists(&rig, &caller).await);
        edited(&rig, &shell, outer.id, with_members(&[ada.id])).await.unwrap();
        assert!(lists(&rig, &caller).await);
        let other = rig.another(&database).await;
        assert!(other.users(&caller, UserFilter::default(), None, 10).await.is_ok(), "another replica knows it too");
        follow_until(&other, rig.authority.delete_group(&shell, outer.id, None)).await.unwrap();
        assert!(!lists(&rig, &caller).await);
        assert!(other.users(&caller, UserFilter::default(), None, 10).await.is_err(), "nor there");
        assert_eq!(rig.authority.store().compare_all(10).await.unwrap(), vec![]);
    }

    async fn who_left_a_group_changes_nothing_that_is_under_way(database: Database) {
        let rig = Rig::open(&database).await;
        let ada = added(&rig, "ada@example.com").await;
        let group = made(&rig, wish("Crew", &[ADMINISTRATOR], &[ada.id], &[])).await;
        let caller = token_of(&rig, &ada).await;
        rig.authority.create_user(&caller, wanted("bo@example.com", rig.organization, &[])).await.unwrap();
        // The row changes behind this replica: its door still knows the group as it was.
        let bare = Group { members: BTreeSet::new(), ..group };
        rig.authority.store().change(
            credential::event::Actor::SYSTEM, rig.now(), |_| Ok::<(), Failure>(()),
            move |change| Ok(change.update_group(bare.clone(), Action::GroupMembersChanged, "{}")?),
        ).await.unwrap();
        assert!(lists(&rig, &caller).await, "the door has not heard of it");
        let late = rig.authority.create_user(&caller, wanted("eve@example.com", rig.organization, &[])).await;
        assert_eq!(refused(late), Refusal::Restricted);
        rig.authority.poll().await.unwrap();
        assert!(!lists(&rig, &caller).await);
    }

    async fn nobody_gives_or_takes_by_a_group_what_they_could_not_give(database: Database) {
        let rig = Rig::open(&database).await;
        let vi = added(&rig, "vi@example.com").await;
        let bo = added(&rig, "bo@example.com").await;
        let helper = rig.admin(&["latchkey.users:read", "latchkey.users:write", "latchkey.verify", "latchkey.introspect"]).await;
        let above = rig.authority.create_group(&helper, wish("Above", &[ADMINISTRATOR], &[], &[])).await;
        assert!(matches!(refused(above), Refusal::Ceiling(_)));
        let inner = rig.authority.create_group(&helper, wish("Inner", &[VERIFIER], &[vi.id], &[])).await.unwrap().value;
        let outer = made(&rig, wish("Outer", &[KEY_MANAGER], &[bo.id], &[])).await;
        for (id, edit) in [
            (outer.id, with_members(&[bo.id, vi.id])),
            (outer.id, with_members(&[])),
            (outer.id, EditGroup { nested: Some(BTreeSet::from([inner.id])), ..EditGroup::default() }),
            (outer.id, EditGroup { roles: Some(Vec::new()), ..EditGroup::default() }),
            (inner.id, EditGroup { roles: Some(vec![(role(ADMINISTRATOR), Resources::All)]), ..EditGroup::default() }),
        ] {
            let refused = refused(edited(&rig, &helper, id, edit.clone()).await);
            assert!(matches!(refused, Refusal::Ceiling(_)), "{edit:?}: {refused:?}");
        }
        assert!(matches!(refused(rig.authority.delete_group(&helper, outer.id, None).await), Refusal::Ceiling(_)));
        let called = EditGroup { name: Some(name("Renamed")), ..EditGroup::default() };
        edited(&rig, &helper, outer.id, called).await.unwrap();
        edited(&rig, &helper, inner.id, with_members(&[vi.id, bo.id])).await.unwrap();
        // Once it is in another, who belongs to it has the roles of that one too.
        let nested = EditGroup { nested: Some(BTreeSet::from([inner.id])), ..EditGroup::default() };
        edited(&rig, &rig.shell(), outer.id, nested).await.unwrap();
        for refusal in [
            refused(edited(&rig, &helper, inner.id, with_members(&[vi.id])).await),
            refused(rig.authority.delete_group(&helper, inner.id, None).await),
            // Whoever signs in as a person, or switches them on, has what the groups give.
            refused(rig.authority.set_password(&helper, vi.id, None, None).await),
        ] {
            assert!(matches!(refusal, Refusal::Ceiling(_)), "{refusal:?}");
        }
        rig.authority.disable_user(&helper, vi.id, None).await.unwrap();
        assert!(matches!(refused(rig.authority.enable_user(&helper, vi.id, None).await), Refusal::Ceiling(_)));
    }

    async fn a_group_is_of_one_organization(database: Database) {
        let rig = Rig::open(&database).await;
        let other = organization(&rig, "Other", OrganizationKind::Standalone).await;
        let (eve, _) = person(&rig, "eve@example.com", other.id, &[ADMINISTRATOR]).await;
        let theirs = CreateGroup { organization: Some(other.id), ..wish("Theirs", &[], &[eve.id], &[]) };
        let theirs = made(&rig, theirs).await;
        let create = async |wish| refused(rig.authority.create_group(&rig.shell(), wish).await);
        assert!(matches!(create(wish("A", &[], &[eve.id], &[])).await, Refusal::Invalid { member: "members", .. }));
        assert!(matches!(create(wish("A", &[], &[], &[theirs.id])).await, Refusal::Invalid { member: "nested", .. }));
        assert!(matches!(create(CreateGroup { reach: Reach::Managed, ..wish("A", &[], &[], &[]) }).await, Refusal::Invalid { member: "reach", .. }));
        // A standalone organization's people neither see nor touch another's.
        let of_eve = token_of(&rig, &eve).await;
        let ours = made(&rig, wish("Ours", &[], &[], &[])).await;
        assert_eq!(refused(rig.authority.group(&of_eve, ours.id).await), Refusal::NotFound("group"));
        assert_eq!(refused(edited(&rig, &of_eve, ours.id, EditGroup::default()).await), Refusal::NotFound("group"));
        let listed = rig.authority.groups(&of_eve, GroupFilter::default(), None, 10).await.unwrap();
        assert_eq!(listed, vec![theirs]);
    }

    async fn a_manager_shares_a_group_into_what_it_manages(database: Database) {
        let rig = Rig::open(&database).await;
        let manager = organization(&rig, "Manager", OrganizationKind::Manager).await;
        let managed = rig.authority.create_organization(&Caller::shell(manager.id), authority::organizations::CreateOrganization {
            name: name("Managed"), kind: OrganizationKind::Managed, parent: Some(manager.id),
        }).await.unwrap().value;
        let (_, viewer) = person(&rig, "vi@example.com", managed.id, &[ADMINISTRATOR]).await;
        let own = CreateGroup { organization: Some(manager.id), ..wish("Crew", &[], &[], &[]) };
        let group = made(&rig, own).await;
        let sees = async || rig.authority.groups(&viewer, GroupFilter::default(), None, 10).await.unwrap().len();
        assert_eq!((sees().await, refused(rig.authority.group(&viewer, group.id).await)), (0, Refusal::NotFound("group")));
        for reach in [Reach::Managed, Reach::Listed(BTreeSet::from([managed.id]))] {
            let share = EditGroup { reach: Some(reach), ..EditGroup::default() };
            edited(&rig, &rig.shell(), group.id, share).await.unwrap();
            assert_eq!(sees().await, 1);
            assert!(rig.authority.group(&viewer, group.id).await.is_ok());
            assert!(edited(&rig, &viewer, group.id, EditGroup::default()).await.is_err(), "to see is not to change");
        }
        let foreign = Reach::Listed(BTreeSet::from([rig.organization]));
        let foreign = EditGroup { reach: Some(foreign), ..EditGroup::default() };
        assert!(matches!(refused(edited(&rig, &rig.shell(), group.id, foreign).await), Refusal::Invalid { member: "reach", .. }));
    }

    async fn an_organization_sees_who_comes_with_a_shared_group(database: Database) {
        let rig = Rig::open(&database).await;
        let manager = organization(&rig, "Manager", OrganizationKind::Manager).await;
        let managed = rig.authority.create_organization(&Caller::shell(manager.id), authority::organizations::CreateOrganization {
            name: name("Managed"), kind: OrganizationKind::Managed, parent: Some(manager.id),
        }).await.unwrap().value;
        let (_, viewer) = person(&rig, "vi@example.com", managed.id, &[ADMINISTRATOR]).await;
        let (direct, _) = person(&rig, "di@example.com", manager.id, &[VIEWER]).await;
        let (inner, _) = person(&rig, "in@example.com", manager.id, &[VIEWER]).await;
        let (apart, _) = person(&rig, "ap@example.com", manager.id, &[VIEWER]).await;
        let at = |wish| CreateGroup { organization: Some(manager.id), ..wish };
        let nested = made(&rig, at(wish("Inner", &[], &[inner.id], &[]))).await;
        made(&rig, at(wish("Apart", &[], &[apart.id], &[]))).await;
        let group = made(&rig, at(wish("Crew", &[], &[direct.id], &[nested.id]))).await;
        let shared = async || {
            let people = rig.authority.shared_people(&viewer, managed.id).await.unwrap();
            people.into_iter().map(|user| user.id).collect::<Vec<_>>()
        };
        assert_eq!(shared().await, []);
        assert_eq!(refused(rig.authority.people_of(&viewer, group.id).await), Refusal::NotFound("group"));
        let share = EditGroup { reach: Some(Reach::Managed), ..EditGroup::default() };
        edited(&rig, &rig.shell(), group.id, share).await.unwrap();
        assert_eq!(shared().await, [direct.id, inner.id]);
        let members = rig.authority.people_of(&viewer, group.id).await.unwrap();
        assert_eq!(members.into_iter().map(|user| user.id).collect::<Vec<_>>(), [direct.id]);
        // The manager itself has nobody who comes from elsewhere, and others do not ask.
        let none = rig.authority.shared_people(&Caller::shell(manager.id), manager.id).await.unwrap();
        assert_eq!(none, []);
        assert_eq!(refused(rig.authority.shared_people(&viewer, manager.id).await), Refusal::NotFound("organization"));
        // A list of none is a group that waits for its first organization.
        let none = EditGroup { reach: Some(Reach::Listed(BTreeSet::new())), ..EditGroup::default() };
        edited(&rig, &rig.shell(), group.id, none).await.unwrap();
        assert_eq!(shared().await, []);
    }

    async fn rings_and_old_versions_are_refused(database: Database) {
        let rig = Rig::open(&database).await;
        let inner = made(&rig, wish("Inner", &[], &[], &[])).await;
        let outer = made(&rig, wish("Outer", &[], &[], &[inner.id])).await;
        let ring = EditGroup { nested: Some(BTreeSet::from([outer.id])), ..EditGroup::default() };
        let ring = refused(edited(&rig, &rig.shell(), inner.id, ring).await);
        assert!(matches!(ring, Refusal::Invalid { member: "nested", .. }), "{ring:?}");
        let stale = rig.authority.edit_group(&rig.shell(), inner.id, EditGroup::default(), Some(7)).await;
        assert_eq!(refused(stale), Refusal::Stale { version: 1 });
        let twin = rig.authority.create_group(&rig.shell(), wish("INNER", &[], &[], &[])).await;
        assert_eq!(refused(twin), Refusal::NameTaken("group"));
    }
}

const WORLDS: usize = 4;
const PEOPLE: usize = 4;
const STEPS: usize = 25;
const ROLES: [&str; 4] = [VIEWER, VERIFIER, KEY_MANAGER, ADMINISTRATOR];

#[test]
fn nobody_has_more_than_their_own_roles_and_those_of_their_groups() {
    with_seed(|random| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            for _ in 0..WORLDS {
                world(random).await;
            }
        });
    });
}

/// Roles, members and nested groups.
type Content = (BTreeSet<&'static str>, BTreeSet<UserId>, BTreeSet<GroupId>);

/// What a model of groups knows, apart from the code under test: who is in what, and what that gives.
#[derive(Default)]
struct Model {
    groups: BTreeMap<GroupId, Content>,
}

impl Model {
    /// Follows each way down from a group to its members.
    fn has(&self, group: GroupId, user: UserId) -> bool {
        self.groups.get(&group).is_some_and(|(_, members, nested)| {
            members.contains(&user) || nested.iter().any(|inner| self.has(*inner, user))
        })
    }

    fn roles_of(&self, user: UserId) -> BTreeSet<&'static str> {
        let holding = self.groups.iter().filter(|(id, _)| self.has(**id, user));
        holding
            .flat_map(|(_, (roles, _, _))| roles.iter().copied())
            .collect()
    }
}

async fn world(random: &mut Random) {
    let database = Database::sqlite();
    let rig = Rig::open(&database).await;
    let mut people: Vec<(User, &str, Caller)> = Vec::new();
    for number in 0..PEOPLE {
        let own = *random.pick(&ROLES);
        let (user, _) = person(
            &rig,
            &format!("p{number}@example.com"),
            rig.organization,
            &[own],
        )
        .await;
        // A key with all rights, so that what its owner has is all that bounds it.
        let command = authority::keys::CreateKey {
            product: latchkey(),
            owner: Some(user.id),
            grants: authority::keys::Wish {
                roles: vec![(role(ADMINISTRATOR), Resources::All)],
                scopes: Vec::new(),
            },
            ..rig.command(credential::key::Kind::Static, &format!("key {number}"), &[])
        };
        let issued = rig.create_with(command).await.unwrap();
        let question = authority::verify::Question::bearer(crate::rig::secret(&issued));
        let caller = rig.authority.caller(&question, "request").await.unwrap().0;
        people.push((user, own, caller));
    }
    let ids: Vec<UserId> = people.iter().map(|(user, _, _)| user.id).collect();
    let mut model = Model::default();
    for step in 0..STEPS {
        step_of(random, &rig, &ids, &mut model, step).await;
        for (user, own, _) in &people {
            let mut roles = model.roles_of(user.id);
            roles.insert(own);
            let expected = rights(&rig, rig.organization, &roles);
            let known = rig.authority.world();
            let product = known.product(&latchkey()).unwrap();
            let has: Rights = known.user_rights(product, user.id);
            assert!(
                has.within(&expected) && expected.within(&has),
                "step {step}: {has:?} and not {expected:?}"
            );
        }
    }
    for (user, own, caller) in &people {
        let writes = {
            let wanted = wanted(&format!("{}@example.com", user.id), rig.organization, &[]);
            rig.authority.create_user(caller, wanted).await.is_ok()
        };
        let mut roles = model.roles_of(user.id);
        roles.insert(own);
        assert_eq!(writes, roles.contains(ADMINISTRATOR), "{roles:?}");
    }
}

async fn step_of(
    random: &mut Random,
    rig: &Rig,
    people: &[UserId],
    model: &mut Model,
    step: usize,
) {
    let known: Vec<GroupId> = model.groups.keys().copied().collect();
    let roles: BTreeSet<&str> = ROLES.into_iter().filter(|_| random.once_in(4)).collect();
    let members: Vec<UserId> = people
        .iter()
        .copied()
        .filter(|_| random.once_in(3))
        .collect();
    let nested: Vec<GroupId> = known
        .iter()
        .copied()
        .filter(|_| random.once_in(4))
        .collect();
    let content = (
        roles.clone(),
        members.iter().copied().collect(),
        nested.iter().copied().collect(),
    );
    let listed: Vec<&str> = roles.iter().copied().collect();
    let shell = rig.shell();
    if known.len() < 5 {
        let wish = wish(&format!("Group {step}"), &listed, &members, &nested);
        let made = made(rig, wish).await;
        model.groups.insert(made.id, content);
        return;
    }
    let id = *random.pick(&known);
    if random.once_in(5) {
        rig.authority.delete_group(&shell, id, None).await.unwrap();
        model.groups.remove(&id);
        for (_, _, nested) in model.groups.values_mut() {
            nested.remove(&id);
        }
        return;
    }
    let edit = EditGroup {
        roles: Some(listed.iter().map(|id| (role(id), Resources::All)).collect()),
        members: Some(members.into_iter().collect()),
        nested: Some(nested.iter().copied().collect()),
        ..EditGroup::default()
    };
    let is_ring = nested.contains(&id) || nested.iter().any(|inner| reaches(model, *inner, id));
    match edited(rig, &shell, id, edit).await {
        Ok(_) => {
            assert!(!is_ring);
            model.groups.insert(id, content);
        }
        refusal => {
            let refusal = refused(refusal);
            assert!(
                is_ring
                    && matches!(
                        refusal,
                        Refusal::Invalid {
                            member: "nested",
                            ..
                        }
                    ),
                "{refusal:?}"
            );
        }
    }
}

fn reaches(model: &Model, from: GroupId, to: GroupId) -> bool {
    model.groups.get(&from).is_some_and(|(_, _, nested)| {
        nested.contains(&to) || nested.iter().any(|inner| reaches(model, *inner, to))
    })
}

fn latchkey() -> ProductName {
    ProductName::new("latchkey").unwrap()
}

fn rights(rig: &Rig, organization: OrganizationId, roles: &BTreeSet<&str>) -> Rights {
    let known = rig.authority.world();
    let product = known.product(&latchkey()).unwrap();
    let grants = credential::grant::Grants::of_roles(roles.iter().map(|id| role(id))).unwrap();
    known.rights(product, organization, &grants)
}
