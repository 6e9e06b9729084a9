//! The catalog has every scope that the vendor's documents name.

use std::collections::BTreeSet;

use authority::catalog::Product;

/// The 77 scopes of the published description: resource and actions.
const DESCRIBED: [(&str, &str); 47] = [
    ("admin.apikeys", "create delete read refresh update"),
    ("admin.iam", "write"),
    ("admin.integrations", "read write"),
    ("admin.vpn", "read write"),
    ("admin.ztna.certificates", "read"),
    ("admin.ztna.devices", "read"),
    ("admin.ztna.enrollment", "write"),
    ("admin.ztna.users", "read"),
    ("deployments.dnsforwarders", "read write"),
    ("deployments.identities", "read write"),
    ("deployments.internaldomains", "read write"),
    ("deployments.internalnetworks", "read write"),
    ("deployments.networkdevices", "read write"),
    ("deployments.networks", "read write"),
    ("deployments.networktunnelgroups", "read write"),
    ("deployments.regions", "read"),
    ("deployments.resourceconnectors", "read write"),
    ("deployments.roamingcomputers", "read write"),
    ("deployments.roamingcomputersOrgInfo", "read"),
    ("deployments.sites", "read write"),
    ("investigate.bulk", "read"),
    ("investigate.investigate", "read"),
    ("policies.applicationCategories", "read"),
    ("policies.applicationlists", "read write"),
    ("policies.contentCategories", "read"),
    ("policies.destinationLists", "read write"),
    ("policies.destinations", "read write"),
    ("policies.feeds", "read write"),
    ("policies.ipsconfig", "read write"),
    ("policies.objects.networkObjectGroups", "read write"),
    ("policies.objects.networkObjects", "read write"),
    ("policies.objects.serviceObjectGroups", "read write"),
    ("policies.objects.serviceObjects", "read write"),
    ("policies.privateresourcegroups", "read write"),
    ("policies.privateresources", "read write"),
    ("policies.rules", "read write"),
    ("policies.securityProfiles", "read"),
    ("policies.settings", "read write"),
    ("policies.tenantControlsProfiles", "read"),
    ("reports.aggregations", "read"),
    ("reports.apiusage", "read"),
    ("reports.appDiscovery", "read write"),
    ("reports.granularEvents", "read"),
    ("reports.privateResources", "read"),
    ("reports.summariesByRule", "read"),
    ("reports.usage.metrics", "read"),
    ("reports.utilities", "read"),
];

/// Scopes that only the documents of Secure Access name.
const NEWER: [(&str, &str); 3] = [
    ("admin.alertrules", "read write"),
    ("admin.alerts", "read write"),
    ("deployments.devices.swg", "read write"),
];

/// Scopes that only the documents of Umbrella name.
const UMBRELLA: [(&str, &str); 15] = [
    ("admin.users", "read write"),
    ("admin.roles", "read"),
    ("admin.passwordreset", "write"),
    ("admin.organizations", "read"),
    ("admin.customers", "read write"),
    ("admin.customerSearch", "read"),
    ("admin.customerdeals", "read write"),
    ("admin.config", "read write"),
    ("deployments.datacenters", "read"),
    ("deployments.tunnels", "read write"),
    ("deployments.tags", "read write"),
    ("deployments.tagDevices", "read write"),
    ("deployments.policies", "read write"),
    ("deployments.virtualappliances", "read write"),
    ("reports.customers", "read write"),
];

/// The areas, whose scopes reach every resource in them.
const AREAS: [(&str, &str); 5] = [
    ("admin", "read write"),
    ("deployments", "read write"),
    ("investigate", "read write"),
    ("policies", "read write"),
    ("reports", "read write"),
];

fn scopes(of: &[(&str, &str)]) -> BTreeSet<String> {
    let spelled = |(resource, actions): &(&str, &str)| {
        let actions = actions.split(' ');
        actions
            .map(|action| format!("{resource}:{action}"))
            .collect::<Vec<_>>()
    };
    of.iter().flat_map(spelled).collect()
}

#[test]
fn the_catalog_has_every_documented_scope_and_no_other() {
    assert_eq!(scopes(&DESCRIBED).len(), 77);
    let products = Product::built_in().unwrap();
    let product = products
        .iter()
        .find(|product| product.name.as_str() == "secure_access")
        .unwrap();
    let declared: BTreeSet<String> = product
        .scopes
        .keys()
        .map(|scope| scope.as_str().to_owned())
        .collect();
    let documented: BTreeSet<String> = [&DESCRIBED[..], &NEWER, &UMBRELLA, &AREAS]
        .into_iter()
        .flat_map(scopes)
        .collect();
    assert_eq!(declared, documented);
}

#[test]
fn each_scope_is_found_in_any_letter_case_and_told_as_the_catalog_has_it() {
    let products = Product::built_in().unwrap();
    let product = products
        .iter()
        .find(|product| product.name.as_str() == "secure_access")
        .unwrap();
    for scope in product.scopes.keys() {
        for spelled in [scope.as_str().to_uppercase(), scope.as_str().to_lowercase()] {
            assert_eq!(
                product.declared(&spelled).as_ref(),
                Some(scope),
                "{spelled}"
            );
        }
    }
}
