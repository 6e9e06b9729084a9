//! Groups: people of an organization who have roles together.
//!
//! A member has the roles of every group that has them as a member, of every group that such a group is nested in, and so on
//! up to [`MAX_DEPTH`] groups. Rings are refused when a group is written ([`fits_among`]) and do no harm when one is read.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::canonical::Canonical;
use crate::grant::RoleGrant;
use crate::id::{GroupId, OrganizationId, UserId};
use crate::key::Maker;
use crate::name::{Comment, Name};
use crate::time::Instant;

/// The most members of one group: a row of some 40 KB.
pub const MAX_MEMBERS: usize = 1000;
/// The most groups nested in one.
pub const MAX_NESTED: usize = 50;
/// The most groups on the way from a person to the outermost group, both counted.
pub const MAX_DEPTH: usize = 8;
/// The most groups of one organization: a change of one reads them all.
pub const MAX_GROUPS: usize = 1000;
/// The most organizations that a group is listed as shared into.
pub const MAX_REACH: usize = 1000;

/// Into which managed organizations a manager's group is shared: who administers there can see it. What its members may
/// follows from the group's roles and their resources alone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Into none.
    #[default]
    Own,
    /// Into all that the organization manages.
    Managed,
    /// Into these.
    Listed(BTreeSet<OrganizationId>),
}

/// People who have roles together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its identifier, for good.
    pub id: GroupId,
    /// The organization, for good.
    pub organization: OrganizationId,
    /// Its name; unique in the organization, letter case apart.
    pub name: Name,
    /// What it is for.
    pub description: Comment,
    /// What its members have, of any product.
    pub roles: Vec<RoleGrant>,
    /// Its members; who is gone since counts for nothing.
    pub members: BTreeSet<UserId>,
    /// Groups of the same organization whose members are members here too; one that is gone counts for nothing.
    pub nested: BTreeSet<GroupId>,
    /// Where else it is seen.
    pub reach: Reach,
    /// When it was made.
    pub created_at: Instant,
    /// Who made it.
    pub created_by: Maker,
    /// When it was last changed.
    pub edited_at: Instant,
    /// Counts the row's changes.
    pub version: i64,
}

/// Why a group cannot be as it was wished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadGroup {
    /// Too many members.
    #[error("a group has at most {MAX_MEMBERS} members")]
    TooManyMembers,
    /// Too many groups in it.
    #[error("at most {MAX_NESTED} groups are nested in one")]
    TooManyNested,
    /// It would be in itself.
    #[error("a group cannot be nested in itself, not even by way of others")]
    Ring,
    /// Groups in groups in groups.
    #[error("at most {MAX_DEPTH} groups can be nested in one another")]
    TooDeep,
}

impl Group {
    /// Everything stored about it, as its row's MAC covers it.
    pub fn context(&self) -> Vec<u8> {
        let stored = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
        let by = match self.created_by {
            Maker::User(id) => format!("user:{id}"),
            Maker::Key(id) => format!("key:{id}"),
            Maker::System => "system".to_owned(),
        };
        Canonical::new("latchkey group row")
            .bytes(self.id.as_bytes())
            .bytes(self.organization.as_bytes())
            .text(self.name.as_str())
            .text(self.description.as_str())
            .text(&stored(serde_json::to_string(&self.roles)))
            .text(&stored(serde_json::to_string(&self.members)))
            .text(&stored(serde_json::to_string(&self.nested)))
            .text(&stored(serde_json::to_string(&self.reach)))
            .int(self.created_at.millis())
            .text(&by)
            .int(self.edited_at.millis())
            .int(self.version)
            .finish()
    }

    /// Whether it is seen in an organization that its own one manages.
    pub fn is_shared_into(&self, managed: OrganizationId) -> bool {
        match &self.reach {
            Reach::Own => false,
            Reach::Managed => true,
            Reach::Listed(listed) => listed.contains(&managed),
        }
    }
}

/// The groups that a person belongs to, directly or by way of nested ones, among those of the organization.
pub fn belonging<'g>(
    groups: impl IntoIterator<Item = &'g Group> + Clone,
    user: UserId,
) -> BTreeSet<GroupId> {
    let direct = groups
        .clone()
        .into_iter()
        .filter(|group| group.members.contains(&user))
        .map(|group| group.id)
        .collect();
    with_outer(groups, direct)
}

/// These groups and all that they are nested in.
pub fn with_outer<'g>(
    groups: impl IntoIterator<Item = &'g Group> + Clone,
    mut found: BTreeSet<GroupId>,
) -> BTreeSet<GroupId> {
    for _ in 1..MAX_DEPTH {
        let outer: Vec<GroupId> = groups
            .clone()
            .into_iter()
            .filter(|group| !found.contains(&group.id) && !group.nested.is_disjoint(&found))
            .map(|group| group.id)
            .collect();
        if outer.is_empty() {
            break;
        }
        found.extend(outer);
    }
    found
}

/// Whether a group, as it shall be, may stand among those of its organization.
pub fn fits_among<'g>(
    group: &Group,
    others: impl IntoIterator<Item = &'g Group>,
) -> Result<(), BadGroup> {
    if group.members.len() > MAX_MEMBERS {
        return Err(BadGroup::TooManyMembers);
    }
    if group.nested.len() > MAX_NESTED {
        return Err(BadGroup::TooManyNested);
    }
    let mut inner: BTreeMap<GroupId, &BTreeSet<GroupId>> = others
        .into_iter()
        .map(|other| (other.id, &other.nested))
        .collect();
    inner.insert(group.id, &group.nested);
    let mut outer: BTreeMap<GroupId, BTreeSet<GroupId>> = BTreeMap::new();
    for (id, nested) in &inner {
        for one in nested.iter().filter(|one| inner.contains_key(one)) {
            outer.entry(*one).or_default().insert(*id);
        }
    }
    let below = layers(group.id, |id| inner.get(id).copied());
    let above = layers(group.id, |id| outer.get(id));
    let (Some(below), Some(above)) = (below, above) else {
        return Err(BadGroup::Ring);
    };
    if below + above + 1 > MAX_DEPTH {
        return Err(BadGroup::TooDeep);
    }
    Ok(())
}

/// The longest way from a group over `next`, counted in groups without the first; `None` when a way leads back to it.
fn layers<'n>(
    from: GroupId,
    next: impl Fn(&GroupId) -> Option<&'n BTreeSet<GroupId>>,
) -> Option<usize> {
    // Layer by layer: what is reached by the longest way is in the last layer. Other rings end at the bound.
    let mut layer = BTreeSet::from([from]);
    for depth in 0..=MAX_DEPTH {
        layer = layer.iter().filter_map(&next).flatten().copied().collect();
        if layer.contains(&from) {
            return None;
        }
        if layer
            .iter()
            .all(|id| next(id).is_none_or(BTreeSet::is_empty))
        {
            return Some(depth + usize::from(!layer.is_empty()));
        }
    }
    Some(MAX_DEPTH + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> GroupId {
        GroupId::from_bytes([number; 16])
    }

    fn group(number: u8, nested: &[u8]) -> Group {
        Group {
            id: id(number),
            organization: OrganizationId::from_bytes([1; 16]),
            name: Name::new(&format!("Group {number}")).unwrap(),
            description: Comment::default(),
            roles: Vec::new(),
            members: BTreeSet::from([UserId::from_bytes([number; 16])]),
            nested: nested.iter().copied().map(id).collect(),
            reach: Reach::Own,
            created_at: Instant::from_millis(0),
            created_by: Maker::System,
            edited_at: Instant::from_millis(0),
            version: 1,
        }
    }

    fn groups_of(user: u8, groups: &[Group]) -> Vec<u8> {
        belonging(groups, UserId::from_bytes([user; 16]))
            .into_iter()
            .map(|id| id.as_bytes()[0])
            .collect()
    }

    #[test]
    fn a_member_belongs_to_what_its_groups_are_nested_in_and_not_the_other_way_round() {
        let groups = [group(1, &[2]), group(2, &[3]), group(3, &[]), group(4, &[])];
        assert_eq!(groups_of(3, &groups), [1, 2, 3]);
        assert_eq!(groups_of(2, &groups), [1, 2]);
        assert_eq!(groups_of(1, &groups), [1]);
        assert_eq!(groups_of(9, &groups), [0u8; 0]);
    }

    #[test]
    fn a_ring_is_refused_and_does_no_harm_where_it_is() {
        let ring = [group(1, &[2]), group(2, &[3]), group(3, &[1])];
        assert_eq!(groups_of(1, &ring), [1, 2, 3]);
        assert_eq!(fits_among(&ring[2], &ring[..2]), Err(BadGroup::Ring));
        assert_eq!(fits_among(&group(1, &[1]), []), Err(BadGroup::Ring));
        assert_eq!(fits_among(&group(3, &[]), &ring[..2]), Ok(()));
        // A ring of others, which only an edit by hand can make, ends.
        assert_eq!(fits_among(&group(4, &[1]), &ring), Err(BadGroup::TooDeep));
    }

    #[test]
    fn groups_are_nested_only_so_deep() {
        let last = MAX_DEPTH as u8;
        let mut chain: Vec<Group> = (1..last).map(|n| group(n, &[n + 1])).collect();
        chain.push(group(last, &[]));
        assert_eq!(groups_of(last, &chain).len(), MAX_DEPTH);
        for place in 0..chain.len() {
            let others: Vec<&Group> = chain.iter().filter(|g| g.id != chain[place].id).collect();
            assert_eq!(fits_among(&chain[place], others), Ok(()), "{place}");
        }
        assert_eq!(
            fits_among(&group(last, &[100]), chain.iter().chain([&group(100, &[])])),
            Err(BadGroup::TooDeep)
        );
        assert_eq!(
            fits_among(&group(100, &[1]), &chain),
            Err(BadGroup::TooDeep)
        );
        assert_eq!(fits_among(&group(100, &[2]), &chain), Ok(()));
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let mut big = group(1, &[]);
        big.members = (0..=MAX_MEMBERS)
            .map(|n| UserId::from_bytes((n as u128).to_be_bytes()))
            .collect();
        assert_eq!(fits_among(&big, []), Err(BadGroup::TooManyMembers));
        let many: Vec<u8> = (2..=MAX_NESTED as u8 + 2).collect();
        assert_eq!(
            fits_among(&group(1, &many), []),
            Err(BadGroup::TooManyNested)
        );
    }
}
