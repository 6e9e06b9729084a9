//! The trail: whoever changes it, or the rows it tells of, is found.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use authority::audit::{AuditQuery, BadExport, Flaw, Trust, Wrong, verify_export};
use authority::notices::NoticeFilter;
use authority::roles::{CreateRole, EditRole};
use authority::settings::Audit;
use authority::{Authority, Failure, Refusal, Settings};
use credential::event::{Action, Break, SubjectKind};
use credential::key::{Denial, Kind};
use credential::name::{Comment, ProductName, RoleName};
use credential::organization::OrganizationKind;
use credential::time::Span;
use store::audit::AuditFilter;
use store::{Store, args};

use crate::people::{ADMINISTRATOR, VERIFIER, organization, person, refused};
use crate::rig::{Rig, START, ask, authority_on, follow_until, open_with, secret};

const READ: &str = "sample.orders:read";

fn everywhere() -> AuditQuery {
    AuditQuery {
        everywhere: true,
        ..AuditQuery::default()
    }
}

async fn by_hand(authority: &Authority, sql: &'static str, id: &str) {
    let id = id.to_owned();
    let written = authority
        .store()
        .db()
        .write(move |tx| -> Result<u64, store::Fault> {
            if id.is_empty() {
                tx.execute(sql, &[])
            } else {
                tx.execute(sql, args![&id])
            }
        })
        .await
        .unwrap();
    assert!(written > 0 || sql.starts_with("CREATE"), "{sql}");
}

async fn export(rig: &Rig) -> String {
    let mut export = rig
        .authority
        .export_audit(&rig.shell(), everywhere())
        .await
        .unwrap();
    let mut text = String::new();
    while let Some(lines) = export.next_lines().await.unwrap() {
        text.push_str(&lines);
    }
    text
}

/// A store with keys, changes, tokens and two checkpoints.
async fn busy(rig: &Rig) {
    for number in 0..5 {
        let issued = rig
            .create(Kind::Static, &format!("key {number}"), &[READ])
            .await;
        rig.authority
            .disable_key(&rig.shell(), issued.key.id, None)
            .await
            .unwrap();
    }
    rig.authority.sign_checkpoint().await.unwrap().unwrap();
    let pair = rig.create(Kind::TokenPair, "pair", &[READ]).await;
    rig.authority
        .enable_key(&rig.shell(), pair.key.id, None)
        .await
        .unwrap_err();
    rig.authority
        .revoke_key(&rig.shell(), pair.key.id, None)
        .await
        .unwrap();
    rig.authority.sign_checkpoint().await.unwrap().unwrap();
    rig.create(Kind::Static, "after", &[READ]).await;
}

testkit::on_each_engine! {
    async fn a_good_trail_verifies_here_and_elsewhere(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        busy(&rig).await;
        let report = rig.authority.verify_audit(&rig.shell()).await.unwrap();
        assert!(report.is_good(), "{report:?}");
        assert_eq!(report.checkpoints, 2);
        assert!(report.events as i64 == report.head && report.sealed < report.head);
        let trust = Trust { public_key: Some(rig.authority.audit_public_key().1), checkpoint: None };
        let text = export(&rig).await;
        let offline = verify_export(text.as_bytes(), &trust).unwrap();
        assert_eq!((offline.events, offline.head), (report.events, report.head));
        assert_eq!((offline.checkpoints, offline.sealed), (3, report.head), "an export is signed to its end");
        assert!(offline.trusted);
        assert!(!verify_export(text.as_bytes(), &Trust::default()).unwrap().trusted);
        assert!(!text.contains("lk_"));
    }

    async fn a_trail_that_was_touched_names_the_first_bad_place(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        busy(&rig).await;
        let verify = async || rig.authority.verify_audit(&rig.shell()).await.unwrap().flaw;
        let broken = |at| Some(Flaw::Broken { chain: "main".to_owned(), at });
        let edit = "UPDATE audit SET detail = '{\"x\":1}' WHERE seq = 4";
        by_hand(&rig.authority, edit, "").await;
        assert_eq!(verify().await, broken(Break::Changed(4)));
        by_hand(&rig.authority, "DELETE FROM audit WHERE seq = 3", "").await;
        assert_eq!(verify().await, broken(Break::Missing(3)));
        by_hand(&rig.authority, "UPDATE checkpoint SET at = at + 1", "").await;
        assert!(matches!(verify().await, Some(Flaw::Unsigned { .. })));
    }

    async fn a_cut_tail_shows_in_the_checkpoints(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        busy(&rig).await;
        let last = rig.authority.sign_checkpoint().await.unwrap().unwrap();
        let whole = export(&rig).await;
        // The last events are removed, and the head is set back so that nothing else shows it.
        by_hand(&rig.authority, "DELETE FROM audit WHERE seq > 8", "").await;
        by_hand(
            &rig.authority,
            "UPDATE feed_head SET audit_seq = 8, audit_hash = (SELECT hash FROM audit WHERE seq = 8)",
            "",
        )
        .await;
        let cut = Some(Flaw::Broken { chain: "main".to_owned(), at: Break::Truncated(8) });
        let flaw = rig.authority.verify_audit(&rig.shell()).await.unwrap().flaw;
        assert_eq!(flaw, cut);
        // With the checkpoints gone as well, whoever kept the last one knows.
        by_hand(&rig.authority, "DELETE FROM checkpoint WHERE seq > 8", "").await;
        assert_eq!(rig.authority.verify_audit(&rig.shell()).await.unwrap().flaw, None);
        let text = export(&rig).await;
        let key = Some(rig.authority.audit_public_key().1);
        let without = Trust { public_key: key.clone(), checkpoint: None };
        assert!(verify_export(text.as_bytes(), &without).is_ok());
        let kept = Trust { public_key: key, checkpoint: Some(last) };
        assert!(matches!(verify_export(text.as_bytes(), &kept), Err(BadExport::Flaw(Flaw::Broken { .. }))));
        assert!(verify_export(whole.as_bytes(), &kept).is_ok());
    }

    async fn an_export_with_a_line_changed_removed_or_missing_is_refused(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        busy(&rig).await;
        rig.authority.sign_checkpoint().await.unwrap();
        let text = export(&rig).await;
        let trust = Trust { public_key: Some(rig.authority.audit_public_key().1), checkpoint: None };
        let lines: Vec<&str> = text.lines().collect();
        let good = |lines: &[&str]| verify_export((lines.join("\n") + "\n").as_bytes(), &trust).is_ok();
        assert!(good(&lines));
        for place in 0..lines.len() {
            let mut without = lines.clone();
            let removed = without.remove(place);
            // A checkpoint fewer vouches for less, and is no lie.
            let is_point = removed.contains("\"kind\":\"checkpoint\"");
            assert_eq!(good(&without), is_point, "{removed}");
        }
        for (what, instead) in [("\"action\":\"key.disabled\"", "\"action\":\"key.enabled\""), ("\"at\":1", "\"at\":2")] {
            let changed = text.replacen(what, instead, 2);
            assert_ne!(changed, text);
            assert!(verify_export(changed.as_bytes(), &trust).is_err(), "{what}");
        }
        let other = Trust { public_key: Some(vec![7; 32]), checkpoint: None };
        assert!(matches!(verify_export(text.as_bytes(), &other), Err(BadExport::Flaw(Flaw::Unsigned { .. }))));
    }

    async fn each_reads_the_trail_of_its_own(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let other = organization(&rig, "Other", OrganizationKind::Standalone).await;
        let (_, admin) = person(&rig, "cy@example.com", other.id, &[ADMINISTRATOR]).await;
        let (_, verifier) = person(&rig, "vi@example.com", other.id, &[VERIFIER]).await;
        rig.create(Kind::Static, "mine", &[READ]).await;
        let page = rig.authority.audit(&admin, AuditQuery::default(), None, 100).await.unwrap();
        assert!(!page.is_empty());
        assert!(page.iter().all(|sealed| sealed.event.organization == Some(other.id)));
        assert!(page.is_sorted_by_key(|sealed| -sealed.event.seq));
        let of_mine = AuditFilter { organization: Some(rig.organization), ..AuditFilter::default() };
        let of_mine = AuditQuery { filter: of_mine, everywhere: false };
        let refusal = refused(rig.authority.audit(&admin, of_mine, None, 100).await);
        assert_eq!(refusal, Refusal::NotFound("organization"));
        assert!(matches!(refused(rig.authority.audit(&admin, everywhere(), None, 100).await), Refusal::Ceiling(_)));
        assert!(matches!(refused(rig.authority.verify_audit(&admin).await), Refusal::Ceiling(_)));
        let too_small = rig.authority.audit(&verifier, AuditQuery::default(), None, 100).await;
        assert!(matches!(refused(too_small), Refusal::Forbidden { .. }));
        let mut own = rig.authority.export_audit(&admin, AuditQuery::default()).await.unwrap();
        let mut text = String::new();
        while let Some(lines) = own.next_lines().await.unwrap() {
            text.push_str(&lines);
        }
        assert!(text.contains(&other.id.to_string()) && !text.contains("\"mine\""));
        assert!(matches!(verify_export(text.as_bytes(), &Trust::default()), Err(BadExport::Partial)));
        let filter = AuditFilter { action: Some(Action::UserCreated), ..AuditFilter::default() };
        let users = rig.authority.audit(&admin, AuditQuery { filter, everywhere: false }, None, 100).await.unwrap();
        assert_eq!(users.len(), 2);
    }

    async fn yesterdays_row_is_found_told_once_and_taken_out_of_use(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let issued = rig.create(Kind::Static, "key", &[READ]).await;
        let id = issued.key.id.to_string();
        by_hand(&rig.authority, "CREATE TABLE yesterday AS SELECT * FROM api_key", "").await;
        rig.authority.revoke_key(&rig.shell(), issued.key.id, None).await.unwrap();
        by_hand(&rig.authority, "DELETE FROM api_key WHERE id = $1", &id).await;
        by_hand(&rig.authority, "INSERT INTO api_key SELECT * FROM yesterday", "").await;
        // A process that starts now knows no better than the row.
        let fresh = authority_on(&database, Arc::clone(&rig.clock), 9).await;
        assert_eq!(ask(&fresh, secret(&issued), &[READ]).await, Ok(()));
        let report = fresh.verify_audit(&rig.shell()).await.unwrap();
        assert_eq!(report.mismatches.len(), 1, "{report:?}");
        let found = follow_until(&rig.authority, fresh.compare_everything()).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].subject.kind, found[0].wrong), (SubjectKind::Key, Wrong::PutBack));
        assert_eq!(ask(&fresh, secret(&issued), &[READ]).await, Err(Denial::Disabled));
        rig.authority.poll().await.unwrap();
        assert_eq!(fresh.compare_everything().await.unwrap(), []);
        let notices = rig.authority.notices(&rig.shell(), NoticeFilter::default(), None, 10).await.unwrap();
        let told: Vec<_> = notices.iter().filter(|notice| notice.kind == "tampering").collect();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].subject.id, id);
    }

    async fn an_edited_and_a_deleted_row_are_found(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let (ada, _) = person(&rig, "ada@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let key = rig.create(Kind::Static, "gone", &[READ]).await;
        assert_eq!(rig.authority.compare_everything().await.unwrap(), []);
        by_hand(&rig.authority, "UPDATE person SET active = 1, name = 'Eve' WHERE id = $1", &ada.id.to_string()).await;
        by_hand(&rig.authority, "DELETE FROM api_key WHERE id = $1", &key.key.id.to_string()).await;
        let found = rig.authority.compare_everything().await.unwrap();
        let found: Vec<_> = found.iter().map(|found| (found.subject.kind, found.wrong)).collect();
        assert_eq!(found, [(SubjectKind::User, Wrong::Edited), (SubjectKind::Key, Wrong::Deleted)]);
        // What is found is announced: the key that was still at hand is gone here too.
        assert_eq!(ask(&rig.authority, secret(&key), &[READ]).await, Err(Denial::Unknown));
        let again = rig.authority.compare_everything().await.unwrap();
        assert_eq!(again.len(), 2);
        let notices = rig.authority.notices(&rig.shell(), NoticeFilter::default(), None, 10).await.unwrap();
        assert_eq!(notices.iter().filter(|notice| notice.kind == "tampering").count(), 2);
    }

    async fn a_checkpoint_is_signed_when_it_is_due(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        assert!(rig.authority.sign_checkpoint_if_due().await.unwrap().is_some());
        assert!(rig.authority.sign_checkpoint_if_due().await.unwrap().is_none());
        rig.create(Kind::Static, "one", &[READ]).await;
        assert!(rig.authority.sign_checkpoint_if_due().await.unwrap().is_none());
        rig.pass(Span::from_minutes(1)).await;
        assert!(rig.authority.sign_checkpoint_if_due().await.unwrap().is_some());
        rig.pass(Span::from_minutes(1)).await;
        assert!(rig.authority.sign_checkpoint_if_due().await.unwrap().is_none(), "nothing happened");
    }

    async fn each_checkpoint_is_handed_out_as_a_file_of_its_own(database: testkit::Database) {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            audit: Audit {
                checkpoint_directory: Some(directory.path().to_owned()),
                ..Settings::default().audit
            },
            ..Settings::default()
        };
        let store = Store::open(database.url()).await.unwrap();
        let clock = Arc::new(AtomicI64::new(START));
        let authority = open_with(store, clock, 1, [5; 32], settings).await.unwrap();
        let signed = authority.sign_checkpoint().await.unwrap().unwrap();
        let name = format!("checkpoint-{:012}.json", signed.seq);
        let text = std::fs::read_to_string(directory.path().join(name)).unwrap();
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&told["kind"], &told["seq"]), (&"checkpoint".into(), &signed.seq.into()));
        assert!(authority.sign_checkpoint().await.unwrap().is_none(), "nothing happened");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    async fn an_earlier_row_is_not_built_on(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        let issued = rig.create(Kind::Static, "key", &[READ]).await;
        let id = issued.key.id.to_string();
        by_hand(&rig.authority, "CREATE TABLE yesterday AS SELECT * FROM api_key", "").await;
        rig.authority.revoke_key(&rig.shell(), issued.key.id, None).await.unwrap();
        by_hand(&rig.authority, "DELETE FROM api_key WHERE id = $1", &id).await;
        by_hand(&rig.authority, "INSERT INTO api_key SELECT * FROM yesterday", "").await;
        // A genuine change on top of it would make the earlier state the latest.
        let rotated = rig.authority.rotate_key(&rig.shell(), issued.key.id, None, None, None, |_| Vec::new()).await;
        assert!(matches!(rotated.map(drop), Err(Failure::Fault(store::Fault::Tampered { .. }))));
        let found = rig.authority.compare_everything().await.unwrap();
        assert_eq!(found.iter().map(|found| found.wrong).collect::<Vec<_>>(), [Wrong::PutBack]);
        // Taken out of use, it can be ended for good.
        rig.authority.revoke_key(&rig.shell(), issued.key.id, None).await.unwrap();
        assert_eq!(rig.authority.compare_everything().await.unwrap(), []);
    }

    async fn what_else_a_verdict_reads_is_found_too(database: testkit::Database) {
        let rig = Rig::open(&database).await;
        person(&rig, "root@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let there = organization(&rig, "There", OrganizationKind::Standalone).await;
        let (ada, _) = person(&rig, "ada@example.com", rig.organization, &[ADMINISTRATOR]).await;
        let wanted = CreateRole {
            organization: None,
            product: ProductName::new("sample").unwrap(),
            name: RoleName::new("Both").unwrap(),
            description: Comment::default(),
            scopes: vec![READ.to_owned(), "sample.orders:write".to_owned()],
        };
        let role = rig.authority.create_role(&rig.shell(), wanted).await.unwrap().value;
        for table in [
            "CREATE TABLE old_organization AS SELECT * FROM organization",
            "CREATE TABLE old_person AS SELECT * FROM person",
            "CREATE TABLE old_role AS SELECT * FROM role",
        ] {
            by_hand(&rig.authority, table, "").await;
        }
        let shell = rig.shell();
        rig.authority.disable_organization(&shell, there.id, None).await.unwrap();
        rig.authority.set_user_roles(&shell, ada.id, Vec::new(), None).await.unwrap();
        let less = EditRole { scopes: Some(vec![READ.to_owned()]), ..EditRole::default() };
        rig.authority.edit_role(&shell, role.id, less, None).await.unwrap();
        for put_back in [
            "UPDATE organization SET (active, version, mac) =
                (SELECT active, version, mac FROM old_organization AS old WHERE old.id = organization.id)",
            "UPDATE person SET (roles, version, mac) =
                (SELECT roles, version, mac FROM old_person AS old WHERE old.id = person.id)",
            "UPDATE role SET (scopes, version, mac) =
                (SELECT scopes, version, mac FROM old_role AS old WHERE old.id = role.id)",
        ] {
            by_hand(&rig.authority, put_back, "").await;
        }
        let found = rig.authority.compare_everything().await.unwrap();
        let found: Vec<_> = found.iter().map(|found| (found.subject.kind, found.wrong)).collect();
        let put_back = |kind| (kind, Wrong::PutBack);
        assert_eq!(
            found,
            [put_back(SubjectKind::Organization), put_back(SubjectKind::User), put_back(SubjectKind::Role)]
        );
        let world = rig.authority.world();
        assert!(!world.organization(there.id).unwrap().active);
        assert!(!world.user(ada.id).unwrap().active);
        assert!(world.role(role.id).unwrap().deleted);
        assert_eq!(rig.authority.compare_everything().await.unwrap(), []);
    }
}
