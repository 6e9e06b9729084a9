//! The vendor's JSON.

use serde::{Deserialize, Serialize};

/// A role that a key has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Permission {
    pub(super) role_id: String,
    pub(super) role_name: String,
    pub(super) product: String,
    pub(super) product_key: &'static str,
    pub(super) role_display_name: String,
    pub(super) product_instance_id: &'static str,
    pub(super) role_type: &'static str,
    pub(super) application_scope_ids: Vec<String>,
}

/// The answer to a refresh token. Its members are spelled as OAuth spells them.
#[derive(Serialize)]
pub(super) struct Token<'a> {
    pub(super) permissions: Vec<Permission>,
    pub(super) access_token: &'a str,
    pub(super) expires_in: i64,
    pub(super) refresh_token: &'a str,
    pub(super) refresh_token_expires_in: i64,
    pub(super) token_type: &'static str,
}

/// The same where the console asks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Renewed<'a> {
    pub(super) access_token: &'a str,
    pub(super) refresh_token: &'a str,
}

/// A key to be generated. Of the permissions only the role counts: the rest of what is sent with it says the same.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewKey {
    pub(super) api_key_name: String,
    #[serde(default)]
    pub(super) description: String,
    pub(super) permissions: Vec<WantedRole>,
    pub(super) expires_at: Option<String>,
}

/// A role that a key shall have; the vendor's clients send the whole permission back.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WantedRole {
    pub(super) role_id: String,
    pub(super) product_key: Option<String>,
}

/// A key that was generated: what is shown once, and the key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Generated<'a> {
    #[serde(flatten)]
    pub(super) key: Key,
    pub(super) access_token: &'a str,
    pub(super) refresh_token: &'a str,
}

/// A key. What never was is an empty text: every member is a text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Key {
    pub(super) cui_machine_account_id: String,
    pub(super) cui_machine_account_name: String,
    pub(super) description: String,
    pub(super) creator_user_email: String,
    pub(super) created_date: String,
    pub(super) last_modified_date: String,
    pub(super) last_refreshed: String,
    pub(super) last_used: String,
    pub(super) key_expires_at: String,
    pub(super) refresh_expires_at: String,
    pub(super) token_expires_at: String,
    pub(super) piam_org_id: String,
    pub(super) status: &'static str,
    pub(super) permissions: Vec<Permission>,
}

/// A list of organizations; the cursor is there where more follow.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Organizations {
    pub(super) organizations: Vec<Organization>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

/// An organization. The others that it stands to are told of one, not in lists.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Organization {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) region_code: String,
    pub(super) region_description: String,
    pub(super) created: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) managed_org_ids: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) manager_org_ids: Option<Vec<String>>,
}

/// An organization to be made.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewOrganization {
    pub(super) name: String,
    pub(super) region_code: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

/// Another name for an organization.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Renamed {
    pub(super) name: String,
}

/// People.
#[derive(Serialize)]
pub(super) struct Users {
    pub(super) users: Vec<User>,
}

/// A person.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    pub(super) id: String,
    pub(super) email: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) status: &'static str,
}

/// Another name for a person; what is not there stays.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UserName {
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
}

/// What shall be done to people: a list, or one thing by itself, as the SDK sent it up to 1.0.4.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum UserOperations {
    /// A list.
    List {
        /// One after the other.
        users: Vec<UserOperation>,
    },
    /// One.
    One(UserOperation),
}

/// One thing that shall be done to a person.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserOperation {
    pub(super) email: String,
    pub(super) operation: String,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) is_admin: Option<bool>,
}

/// What came of operations.
#[derive(Serialize)]
pub(super) struct Results {
    pub(super) results: Vec<OperationResult>,
}

/// What came of one operation.
#[derive(Serialize)]
pub(super) struct OperationResult {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) operation: String,
    pub(super) status: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
}

/// Roles.
#[derive(Serialize)]
pub(super) struct Roles {
    pub(super) roles: Vec<Role>,
}

/// A role.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Role {
    pub(super) id: String,
    pub(super) display_name: String,
    pub(super) description: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) products: Vec<Product>,
}

/// A product, as lists of roles name it.
#[derive(Serialize)]
pub(super) struct Product {
    pub(super) key: &'static str,
    pub(super) name: String,
}

/// Who shall, or shall not, have a role.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Assignments {
    #[serde(default)]
    pub(super) users: Vec<Assignment>,
    #[serde(default)]
    pub(super) groups: Vec<Assignment>,
}

/// One who shall, or shall not.
#[derive(Deserialize)]
pub(super) struct Assignment {
    pub(super) operation: String,
    pub(super) id: String,
}

/// What an organization has claimed.
#[derive(Serialize)]
pub(super) struct Subscriptions {
    pub(super) subscriptions: Vec<Subscription>,
}

/// A subscription.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscription {
    #[serde(flatten)]
    pub(super) claimed: Claimed,
    pub(super) products: Vec<SubscribedProduct>,
}

/// A subscription as the answer to its claim has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Claimed {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) created: String,
    pub(super) is_trial: bool,
}

/// A product of a subscription, or of what can be claimed; where it is used is told once it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscribedProduct {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) region_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) region_description: Option<String>,
    pub(super) entitlements: Vec<Entitlement>,
    pub(super) allowed_regions: Vec<AllowedRegion>,
}

/// So many of something.
#[derive(Serialize)]
pub(super) struct Entitlement {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) quantity: u32,
}

/// Where a product can be used.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AllowedRegion {
    pub(super) region_code: String,
    pub(super) region_description: String,
}

/// What a code would claim.
#[derive(Serialize)]
pub(super) struct ClaimInfo {
    pub(super) name: String,
    pub(super) created: String,
    pub(super) products: Vec<SubscribedProduct>,
}

/// A code that claims something.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ClaimCode {
    pub(super) claim_code: String,
}

/// Something to be claimed, with products that are taken into use at once.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewSubscription {
    pub(super) claim_code: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) products: Vec<WantedProduct>,
}

/// A product to be taken into use; the vendor's clients send what claimInfo told them along.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WantedProduct {
    pub(super) id: String,
    pub(super) region_code: Option<String>,
}

/// A product to be taken into use, or out of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TurnedProduct {
    pub(super) product_id: String,
    pub(super) status: bool,
    pub(super) source_instance_id: Option<String>,
    pub(super) region_code: Option<String>,
    pub(super) initial_admin: Option<String>,
}

/// What a managed organization shall have of a subscription.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Quantities {
    pub(super) entitlements: Vec<Quantity>,
    #[serde(default)]
    use_existing_tenants_for_products: Vec<String>,
    /// The same under its older name.
    #[serde(default)]
    use_existing_tenants: Vec<String>,
}

impl Quantities {
    /// The products for which the organization goes on with an instance of its own.
    pub(super) fn own_instances(&self) -> impl Iterator<Item = &String> {
        let older = self.use_existing_tenants.iter();
        self.use_existing_tenants_for_products.iter().chain(older)
    }
}

/// So many of an entitlement.
#[derive(Deserialize)]
pub(super) struct Quantity {
    pub(super) id: String,
    pub(super) quantity: u32,
}

/// A list of groups; the cursor is there where more follow.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Groups {
    pub(super) groups: Vec<Group>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

/// A group. Only one of a manager applies to other organizations.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) org_id: String,
    pub(super) created: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) applies_to: Option<&'static str>,
}

/// A group to be made.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewGroup {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    pub(super) applies_to: Option<String>,
}

/// Another name or description for a group; what is not there stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupEdit {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
}

/// Who shall, or shall not, be in a group, and where it applies.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct GroupChanges {
    #[serde(default)]
    pub(super) users: Vec<Assignment>,
    #[serde(default)]
    pub(super) managed_org: Vec<Assignment>,
}
