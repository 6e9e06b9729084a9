//! What the vendor calls the components of the product: where each stands in the list of permissions, and by which names
//! custom roles are made of them. `<name>_view` is the scope `<scope>:read`, `<name>_action` is `<scope>:write`, and a
//! switch is `<scope>.<switch>`; the catalog says which of them there are.

/// A component.
#[derive(Debug)]
pub(super) struct Component {
    /// Where it stands in the list.
    pub(super) category: &'static str,
    /// Where it stands below that.
    pub(super) sub_category: &'static str,
    /// What people call it.
    pub(super) title: &'static str,
    /// How its scopes begin.
    pub(super) scope: &'static str,
    /// How its permissions begin.
    pub(super) name: &'static str,
    /// Actions that are switched one by one, where it may be edited.
    pub(super) switches: &'static [Switch],
}

/// An action of a component.
#[derive(Debug)]
pub(super) struct Switch {
    /// What people call it.
    pub(super) title: &'static str,
    /// The last part of its scope.
    pub(super) scope: &'static str,
    /// Its permission.
    pub(super) name: &'static str,
}

/// Every component, those of one category together.
pub(super) const COMPONENTS: &[Component] = &[
    Component {
        category: "Dashboards & Reports",
        sub_category: "Dashboards",
        title: "Dashboards",
        scope: "dashboards.dashboards",
        name: "dashboards",
        switches: &[],
    },
    Component {
        category: "Dashboards & Reports",
        sub_category: "Dashboards",
        title: "Command Center",
        scope: "dashboards.command_center",
        name: "command_center",
        switches: &[],
    },
    Component {
        category: "Dashboards & Reports",
        sub_category: "Dashboards",
        title: "Ingestion Monitoring",
        scope: "dashboards.ingestion_monitoring",
        name: "ingestion_monitoring",
        switches: &[],
    },
    Component {
        category: "Dashboards & Reports",
        sub_category: "Reports",
        title: "Reports",
        scope: "dashboards.reports",
        name: "reports",
        switches: &[],
    },
    Component {
        category: "Cases & Issues",
        sub_category: "Cases & Issues",
        title: "Alerts & Incidents",
        scope: "cases.alerts",
        name: "alerts_incidents",
        switches: &[Switch {
            title: "Change WildFire Verdict",
            scope: "verdict_change",
            name: "wf_verdict_change",
        }],
    },
    Component {
        category: "Cases & Issues",
        sub_category: "Cases & Issues",
        title: "External Alerts",
        scope: "cases.external_alerts",
        name: "external_alerts",
        switches: &[],
    },
    Component {
        category: "Investigation & Response",
        sub_category: "Search",
        title: "Query Center",
        scope: "investigation.query_center",
        name: "investigation_query",
        switches: &[],
    },
    Component {
        category: "Investigation & Response",
        sub_category: "Search",
        title: "Query Library",
        scope: "investigation.query_library",
        name: "query_library",
        switches: &[],
    },
    Component {
        category: "Investigation & Response",
        sub_category: "Search",
        title: "Forensics",
        scope: "investigation.forensics",
        name: "forensics",
        switches: &[],
    },
    Component {
        category: "Investigation & Response",
        sub_category: "Search",
        title: "Host Insights",
        scope: "investigation.host_insights",
        name: "host_insights",
        switches: &[],
    },
    Component {
        category: "Investigation & Response",
        sub_category: "Response",
        title: "Action Center",
        scope: "response.action_center",
        name: "actions_center",
        switches: &[
            Switch {
                title: "Isolate Endpoint",
                scope: "isolate",
                name: "isolate_endpoint",
            },
            Switch {
                title: "Terminate Process",
                scope: "terminate_process",
                name: "terminate_process",
            },
            Switch {
                title: "Quarantine File",
                scope: "quarantine",
                name: "quarantine_file",
            },
            Switch {
                title: "Delete Quarantined Files",
                scope: "delete_quarantined",
                name: "delete_quarantined_files",
            },
            Switch {
                title: "Allow List/Block List",
                scope: "allow_block_list",
                name: "allow_block_list",
            },
            Switch {
                title: "File Retrieval",
                scope: "file_retrieval",
                name: "file_retrieval",
            },
            Switch {
                title: "File Search",
                scope: "file_search",
                name: "file_search",
            },
            Switch {
                title: "Destroy Files",
                scope: "destroy_files",
                name: "destroy_files",
            },
            Switch {
                title: "Remediation",
                scope: "remediation",
                name: "remediation",
            },
            Switch {
                title: "Disable Response Actions",
                scope: "disable_response",
                name: "disable_response_actions",
            },
        ],
    },
    Component {
        category: "Investigation & Response",
        sub_category: "Response",
        title: "EDL",
        scope: "response.external_dynamic_list",
        name: "external_dynamic_list",
        switches: &[],
    },
    Component {
        category: "Investigation & Response",
        sub_category: "Response",
        title: "Live Terminal",
        scope: "response.live_terminal",
        name: "live_terminal",
        switches: &[],
    },
    Component {
        category: "Investigation & Response",
        sub_category: "Response",
        title: "Agent Scripts Library",
        scope: "response.agent_scripts",
        name: "agent_scripts",
        switches: &[
            Switch {
                title: "Run Standard Scripts",
                scope: "run_standard",
                name: "run_standard_scripts",
            },
            Switch {
                title: "Run High-Risk Scripts",
                scope: "run_high_risk",
                name: "run_high_risk_scripts",
            },
            Switch {
                title: "Script Configuration",
                scope: "configuration",
                name: "script_configuration",
            },
        ],
    },
    Component {
        category: "Investigation & Response",
        sub_category: "Automation",
        title: "Playbooks",
        scope: "automation.playbooks",
        name: "playbooks",
        switches: &[],
    },
    Component {
        category: "Investigation & Response",
        sub_category: "Automation",
        title: "Scripts",
        scope: "automation.scripts",
        name: "scripts",
        switches: &[],
    },
    Component {
        category: "Investigation & Response",
        sub_category: "Automation",
        title: "Playground",
        scope: "automation.playground",
        name: "playground",
        switches: &[],
    },
    Component {
        category: "Detection & Threat Intel",
        sub_category: "Rules",
        title: "Rules",
        scope: "detection.rules",
        name: "rules",
        switches: &[],
    },
    Component {
        category: "Detection & Threat Intel",
        sub_category: "Rules",
        title: "AppSec Rules",
        scope: "detection.appsec_rules",
        name: "appsec_rules",
        switches: &[],
    },
    Component {
        category: "Detection & Threat Intel",
        sub_category: "Threat Intel",
        title: "Indicators",
        scope: "detection.indicators",
        name: "threat_intel",
        switches: &[],
    },
    Component {
        category: "Assets",
        sub_category: "Inventory",
        title: "Asset Inventory",
        scope: "assets.inventory",
        name: "asset_inventory",
        switches: &[],
    },
    Component {
        category: "Assets",
        sub_category: "Inventory",
        title: "Asset Groups",
        scope: "assets.groups",
        name: "asset_groups",
        switches: &[],
    },
    Component {
        category: "Endpoints",
        sub_category: "Endpoint Management",
        title: "Endpoint Administration",
        scope: "endpoints.administration",
        name: "endpoint_administration",
        switches: &[],
    },
    Component {
        category: "Endpoints",
        sub_category: "Endpoint Management",
        title: "Endpoint Groups",
        scope: "endpoints.groups",
        name: "endpoint_groups",
        switches: &[],
    },
    Component {
        category: "Endpoints",
        sub_category: "Endpoint Management",
        title: "Agent Installations",
        scope: "endpoints.installations",
        name: "agent_installations",
        switches: &[],
    },
    Component {
        category: "Endpoints",
        sub_category: "Prevention",
        title: "Profiles",
        scope: "endpoints.profiles",
        name: "endpoint_profiles",
        switches: &[],
    },
    Component {
        category: "Endpoints",
        sub_category: "Prevention",
        title: "Policies",
        scope: "endpoints.policies",
        name: "endpoint_policies",
        switches: &[],
    },
    Component {
        category: "Data",
        sub_category: "Data Broker",
        title: "Broker VMs",
        scope: "data.broker_vms",
        name: "broker_vms",
        switches: &[],
    },
    Component {
        category: "Data",
        sub_category: "Data Management",
        title: "Data Management",
        scope: "data.management",
        name: "data_management",
        switches: &[],
    },
    Component {
        category: "Integrations",
        sub_category: "Public API",
        title: "Public API",
        scope: "integrations.public_api",
        name: "public_api",
        switches: &[],
    },
    Component {
        category: "Integrations",
        sub_category: "CLI",
        title: "CLI Tools",
        scope: "integrations.cli_tools",
        name: "cli_tools",
        switches: &[],
    },
    Component {
        category: "Configurations",
        sub_category: "Access Management",
        title: "Access Management",
        scope: "settings.access_management",
        name: "access_management",
        switches: &[],
    },
    Component {
        category: "Configurations",
        sub_category: "General",
        title: "Server Settings",
        scope: "settings.server",
        name: "server_settings",
        switches: &[],
    },
    Component {
        category: "Configurations",
        sub_category: "General",
        title: "Auditing",
        scope: "settings.audit",
        name: "audit_logs",
        switches: &[],
    },
];
